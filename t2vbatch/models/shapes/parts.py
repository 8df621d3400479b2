"""Names for the parts that come from diffusers and transformers, whose own annotations mypy cannot check."""

from typing import Any, TypeAlias

Autoencoder: TypeAlias = Any  # diffusers.AutoencoderKLWan
Transformer: TypeAlias = Any  # diffusers.WanTransformer3DModel
Pipeline: TypeAlias = Any  # diffusers.WanPipeline
Tokenizer: TypeAlias = Any  # transformers.CLIPTokenizer
TextEncoder: TypeAlias = Any  # transformers.UMT5EncoderModel
Clip: TypeAlias = Any  # transformers.CLIPModel
Processor: TypeAlias = Any  # transformers.CLIPProcessor
