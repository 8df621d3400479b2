"""Writes a tiny checkpoint of VideoScore2's classes that always gives one answer.

Its layers add nothing to the embeddings, and its last matrix maps each token to the next of the answer. It
runs in the environment of the program: ``python tiny_videoscore2.py FOLDER``.
"""

import itertools
import sys
from pathlib import Path

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers
from transformers import (
    Qwen2_5_VLConfig,
    Qwen2_5_VLForConditionalGeneration,
    Qwen2_5_VLProcessor,
    Qwen2TokenizerFast,
    Qwen2VLImageProcessor,
    Qwen2VLVideoProcessor,
)

SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>"]
SPECIAL += ["<|image_pad|>", "<|video_pad|>"]
PIECES = ["visual quality: ", "; text-to-video alignment: ", ", physical/common-sense consistency: "]
ANSWER = [PIECES[0], "4", PIECES[1], "3", PIECES[2], "5", "<|im_end|>"]
SHARE = 0.75
"""The probability of the right digit; the others share the rest."""

TEMPLATE = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{% for part in message['content'] %}"
    "{% if part['type'] == 'video' %}<|vision_start|><|video_pad|><|vision_end|>{% else %}{{ part['text'] }}"
    "{% endif %}{% endfor %}<|im_end|>\n{% endfor %}{{ '<|im_start|>assistant\n' }}"
)


def main(folder: Path) -> None:
    """Write the checkpoint."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    inner = Tokenizer(models.BPE(vocab={letter: at for at, letter in enumerate(alphabet)}, merges=[]))
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    inner.add_special_tokens([AddedToken(word, special=True) for word in SPECIAL])
    inner.add_tokens([AddedToken(piece, normalized=False) for piece in PIECES])
    tokenizer = Qwen2TokenizerFast(
        tokenizer_object=inner, eos_token="<|im_end|>", pad_token="<|endoftext|>", unk_token="<|endoftext|>"
    )
    ids = {word: tokenizer.encode(word, add_special_tokens=False)[0] for word in [*SPECIAL, *PIECES]}
    size = len(tokenizer)
    vision = {
        "depth": 1,
        "hidden_size": 32,
        "intermediate_size": 32,
        "num_heads": 2,
        "out_hidden_size": size,
        "fullatt_block_indexes": [0],
    }
    config = Qwen2_5_VLConfig(
        vocab_size=size,
        hidden_size=size,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        rope_scaling={"type": "mrope", "mrope_section": [16, 24, size // 2 - 40]},
        vision_config=vision,
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
        eos_token_id=ids["<|im_end|>"],
        pad_token_id=ids["<|endoftext|>"],
        tie_word_embeddings=False,
    )
    torch.manual_seed(0)
    model = Qwen2_5_VLForConditionalGeneration(config)
    path = [tokenizer.encode("\n")[0], *(tokenizer.encode(piece)[0] for piece in ANSWER)]
    _write_answer(model, path, tokenizer)
    model.generation_config.eos_token_id = ids["<|im_end|>"]
    model.save_pretrained(folder)
    Qwen2_5_VLProcessor(
        Qwen2VLImageProcessor(), tokenizer, Qwen2VLVideoProcessor(), chat_template=TEMPLATE
    ).save_pretrained(folder)


def _write_answer(
    model: Qwen2_5_VLForConditionalGeneration, path: list[int], tokenizer: Qwen2TokenizerFast
) -> None:
    text = model.model.language_model
    size = model.config.vocab_size
    digits = [tokenizer.encode(str(digit))[0] for digit in range(1, 6)]
    with torch.no_grad():
        for layer in text.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        text.embed_tokens.weight.copy_(torch.eye(size))
        model.lm_head.weight.fill_(-1.0)
        # The last norm scales a one-hot vector to the length sqrt(size), and logits are divided by 0.7.
        unit = 0.7 / size**0.5
        for before, after in itertools.pairwise(path):
            model.lm_head.weight[:, before] = -100 * unit
            if after in digits:
                others = torch.log(torch.tensor((1 - SHARE) / 4))
                model.lm_head.weight[digits, before] = others * unit
                model.lm_head.weight[after, before] = torch.log(torch.tensor(SHARE)) * unit
            else:
                model.lm_head.weight[after, before] = 100 * unit


if __name__ == "__main__":
    main(Path(sys.argv[1]))
