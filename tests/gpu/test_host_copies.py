"""Copies of frames to the host on a stream of their own."""

import pytest
import torch

from t2vbatch.models.host_copies import HostCopies, to_host


@pytest.mark.parametrize("is_deferred", [False, True])
def test_a_copy_has_the_bytes_of_the_tensor(is_deferred: bool) -> None:
    """After the wait the host has every byte, although the tensor was freed and its memory used again."""
    for seed in range(20):
        generator = torch.Generator("cuda").manual_seed(seed)
        tensor = torch.randint(
            0, 256, (49, 480, 720, 3), dtype=torch.uint8, device="cuda", generator=generator
        )
        expected, copies = tensor.cpu(), HostCopies()
        if is_deferred:
            with copies.begin():
                host = to_host(tensor)
        else:
            host = to_host(tensor)
        del tensor
        torch.zeros((49, 480, 720, 3), dtype=torch.uint8, device="cuda")
        copies.wait()
        assert host.is_pinned()
        assert torch.equal(host, expected)


def test_a_copy_waits_for_the_work_that_makes_the_tensor() -> None:
    """The copy begins after the kernels that were queued before it."""
    tensor, copies = torch.zeros(1000, 1000, device="cuda"), HostCopies()
    torch.cuda._sleep(200_000_000)  # type: ignore[no-untyped-call]
    tensor += 1
    with copies.begin():
        host = to_host(tensor)
    copies.wait()
    assert bool((host == 1).all())
