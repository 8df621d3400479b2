"""Inputs of any pipeline from manifest columns, in whole runs; and columns that no model uses."""

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import yaml
from PIL import Image
from safetensors.numpy import save_file

from t2vbatch.commands.prepare import prepare
from t2vbatch.commands.run import run_job
from t2vbatch.engines import engine_for
from t2vbatch.errors import ManifestError
from t2vbatch.job import load_job
from t2vbatch.models import describe_pipeline
from tests.models import line, tiny


def test_a_list_in_a_csv_and_an_array_in_a_file_are_the_same_argument(tmp_path: Path) -> None:
    """Camera intrinsics as text (as in CSV), as a list and as a .npy file make the same video."""
    models = line.checkpoints(["SanaWMPipeline"], tmp_path)
    [row] = line.rows(models, tmp_path)
    intrinsics = models["SanaWMPipeline"]["call"].pop("intrinsics")
    np.save(tmp_path / "camera.npy", np.array(intrinsics))
    rows = [
        row | {"id": "text", "intrinsics": str(intrinsics), "seed": 1},
        row | {"id": "list", "intrinsics": intrinsics, "seed": 1},
        row | {"id": "file", "intrinsics": "camera.npy", "seed": 1},
        row | {"id": "other", "intrinsics": "[24.0, 16.0, 16.0, 12.0]", "seed": 1},
    ]
    made = line.run(tmp_path, "out", models, rows)
    assert [(one["status"], one["error"]) for one in made] == [("ok", None)] * 4
    by_id = {one["row_id"]: one["frames_sha256"] for one in made}
    assert by_id["text"] == by_id["list"] == by_id["file"] != by_id["other"]


def test_latents_come_from_a_file(tmp_path: Path) -> None:
    """The column latents replaces the noise: two seeds make the same video."""
    models = line.checkpoints(["WanPipeline"], tmp_path)
    [row] = line.rows(models, tmp_path)
    noise = np.random.default_rng(0).standard_normal((1, 16, 2, 2, 2)).astype(np.float32)
    np.save(tmp_path / "noise.npy", noise)
    rows = [row | {"id": str(seed), "latents": "noise.npy", "seed": seed} for seed in (1, 2)]
    first, second = line.run(tmp_path, "out", models, [*rows, row | {"id": "3", "seed": 1}])[:2]
    assert first["frames_sha256"] == second["frames_sha256"]


def test_a_column_that_no_model_uses_is_a_note(tmp_path: Path) -> None:
    """A media column, and a column with the name of an argument that t2vbatch sets, are reported."""
    notes = _notes(tmp_path, "WanPipeline", {"last_image": "image.png", "output_type": "np"}, {})
    assert "column 'last_image' is not used: no model of the job takes it" in notes
    assert any("column 'output_type' is not used" in note for note in notes)


def test_an_advised_frame_count_is_a_note(tmp_path: Path) -> None:
    """A plan reports a count that the model was not trained for, and does not refuse it."""
    notes = _notes(tmp_path, "CogVideoXPipeline", {}, {"num_frames": 10})
    assert any("num_frames: 10" in note and "9 or 17" in note for note in notes)


def _notes(folder: Path, name: str, columns: dict[str, Any], call: dict[str, Any]) -> tuple[str, ...]:
    """The notes of the plan of one row for a tiny pipeline."""
    models = line.checkpoints([name], folder)
    models[name]["call"] |= call
    [row] = line.rows(models, folder)
    line.write(folder, "out", models, [row | columns])
    return prepare(load_job(folder / "job.yaml")).plan.notes


def test_a_folder_of_reference_images_is_read(tmp_path: Path) -> None:
    """VACE uses every image of the folder in the column reference_images."""
    models = line.checkpoints(["WanVACEPipeline"], tmp_path)
    [row] = line.rows(models, tmp_path)
    for count in (1, 2):
        (tmp_path / f"images{count}").mkdir()
        for index in range(count):
            tiny.write_image(tmp_path / f"images{count}" / f"{index}.png", height=24 + 8 * index)
    rows = [row | {"id": str(count), "reference_images": f"images{count}", "seed": 1} for count in (1, 2)]
    made = line.run(tmp_path, "out", models, rows)
    assert [one["error"] for one in made] == [None, None]
    assert made[0]["frames_sha256"] != made[1]["frames_sha256"]


def test_a_list_of_reference_images_is_a_folder_of_them(tmp_path: Path) -> None:
    """VACE makes the same video from a list of images, from its text as in CSV, and from a folder."""
    models = line.checkpoints(["WanVACEPipeline"], tmp_path)
    [row] = line.rows(models, tmp_path)
    (tmp_path / "folder").mkdir()
    names = [f"folder/{index}.png" for index in range(2)]
    for name, colour in zip(names, ("red", "blue"), strict=True):
        Image.new("RGB", (16, 16), colour).save(tmp_path / name)
    cells = {"folder": "folder", "list": names, "text": str(names), "one": names[:1]}
    rows = [row | {"id": key, "reference_images": cell, "seed": 1} for key, cell in cells.items()]
    made = {one["row_id"]: one for one in line.run(tmp_path, "out", models, rows)}
    assert {one["error"] for one in made.values()} == {None}
    digests = {key: one["frames_sha256"] for key, one in made.items()}
    assert digests["folder"] == digests["list"] == digests["text"] != digests["one"]


def test_the_example_of_a_decoder_of_latents_runs(tmp_path: Path) -> None:
    """Its rows name latents in a .npy or a .safetensors file, and both make the same video."""
    name = "LTX2VideoDiffusionDecodePipeline"
    example = describe_pipeline(name).example()
    assert example.startswith("# prompts.csv has the columns prompt, latents\n# latents: the path of a .npy")
    models = line.checkpoints([name], tmp_path)
    [row] = line.rows(models, tmp_path)
    save_file({"latents": np.load(tmp_path / row["latents"])}, tmp_path / "latents.safetensors")
    (tmp_path / "prompts.csv").write_text(
        f"prompt,latents,seed\na cat,{row['latents']},1\na cat,latents.safetensors,1\n"
    )
    job = yaml.safe_load(example)
    job["models"]["mine"] |= {"path": models[name]["path"], "call": {"denormalize": False}}
    (tmp_path / "job.yaml").write_text(yaml.safe_dump(job | {"metrics": [], "engine": "inline"}))
    result = run_job(prepare(load_job(tmp_path / "job.yaml")), engine_for)
    rows = pq.read_table(Path(result.output) / "results.parquet").to_pylist()
    assert [one["status"] for one in rows] == ["ok", "ok"]
    assert rows[0]["frames_sha256"] == rows[1]["frames_sha256"]


def test_latents_stand_in_for_the_video_of_an_upsampler(tmp_path: Path) -> None:
    """A row with latents and without a video runs; a row with neither names both."""
    models = line.checkpoints(["LTXLatentUpsamplePipeline"], tmp_path)
    np.save(tmp_path / "latents.npy", np.zeros((1, 8, 2, 1, 1), np.float32))
    row = {"model": "LTXLatentUpsamplePipeline", "prompt": "a red ball"}
    [made] = line.run(tmp_path, "out", models, [row | {"latents": "latents.npy"}])
    assert (made["status"], made["error"]) == ("ok", None)
    with pytest.raises(ManifestError, match="a video or latents, which model"):
        line.run(tmp_path, "none", models, [row])


def test_the_encoding_of_a_prompt_stands_in_for_its_text(tmp_path: Path) -> None:
    """With prompt_embeds the prompt is a label: another text makes the same video."""
    models = line.checkpoints(["WanPipeline"], tmp_path)
    for name in ("prompt_embeds", "negative_prompt_embeds"):
        np.save(tmp_path / f"{name}.npy", np.random.default_rng(0).standard_normal((1, 16, 32), np.float32))
    columns = {name: f"{name}.npy" for name in ("prompt_embeds", "negative_prompt_embeds")}
    row = {"model": "WanPipeline", "seed": 1} | columns
    texts = ("a red ball", "a blue cube")
    made = line.run(tmp_path, "out", models, [row | {"id": text, "prompt": text} for text in texts])
    assert [one["error"] for one in made] == [None, None]
    assert made[0]["frames_sha256"] == made[1]["frames_sha256"]
