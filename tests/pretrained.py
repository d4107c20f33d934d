"""Tiny models of the transformers library, built and saved as pretrained ones are."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import tokenizers
import torch
import transformers

WORDS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "good", "bad", "a", "few", "words", "about", "things", "king", "##s"]


def vit(folder: Path, **options: Any) -> Path:
    """A vision transformer with its image processor."""
    torch.manual_seed(3)
    config = transformers.ViTConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, image_size=16, patch_size=4
    )
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    about = {"size": {"height": 16, "width": 16}, "image_mean": [0.4, 0.5, 0.6], "image_std": [0.2, 0.3, 0.4]}
    transformers.ViTImageProcessor(**{**about, **options}).save_pretrained(folder)
    return folder


def bert(folder: Path, words: int = 60) -> Path:
    """A BERT with a tokenizer of word pieces, which sets [CLS] and [SEP] around a text."""
    torch.manual_seed(4)
    config = transformers.BertConfig(
        hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32, vocab_size=words,
        max_position_embeddings=32,
    )  # fmt: skip
    transformers.AutoModel.from_config(config).save_pretrained(folder)
    cut = tokenizers.Tokenizer(
        tokenizers.models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]")
    )
    cut.normalizer = tokenizers.normalizers.BertNormalizer()
    cut.pre_tokenizer = tokenizers.pre_tokenizers.BertPreTokenizer()
    cut.post_processor = tokenizers.processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    cut.save(str(folder / "tokenizer.json"))
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 32}))
    return folder
