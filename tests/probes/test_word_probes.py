"""Word similarity and analogies: by hand, by section, with coverage, and what is said of a bad file."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from scipy.stats import spearmanr

from embloom.probes.analogies import Analogies
from embloom.probes.base import Frozen
from embloom.probes.word_similarity import WordSimilarity, spearman

NAMES = ["a", "b", "c", "d", "e"]


def frozen(table: torch.Tensor, names: list[str] = NAMES) -> Frozen:
    return Frozen({}, {}, {}, {"embedding": table}, {"embedding": names})


def test_spearman_is_scipys() -> None:
    draw = torch.Generator().manual_seed(0)
    for size in (2, 7, 50):
        one, other = (torch.randint(0, 9, (size,), generator=draw).float() + torch.arange(size) * 0.1 for _ in "ab")
        one[: size // 2] = one[0]  # ties
        assert spearman(one, other) == pytest.approx(spearmanr(one, other).statistic)
    assert spearman(torch.ones(4), torch.arange(4.0)) == 0


def test_similarity_by_hand(tmp_path: Path) -> None:
    (tmp_path / "one.txt").write_text("# of pairs\nA b 9\na,c,1\na\td\t5\na nowhere 3\n")
    (tmp_path / "two.csv").write_text("word1,word2,score\na,b,1\na,d,2\n")
    angle = torch.tensor([0.0, 0.1, 2.0, 1.0, 3.0])
    table = torch.stack([angle.cos(), angle.sin()], 1) * torch.tensor([1.0, 5, 2, 3, 4])[:, None]
    found = WordSimilarity(str(tmp_path))(frozen(table))
    assert found["word_similarity_one"] == pytest.approx(1)
    assert found["word_similarity_coverage_one"] == pytest.approx(0.75)
    assert found["word_similarity_two"] == pytest.approx(-1)
    assert found["word_similarity"] == pytest.approx(0)
    assert found["word_similarity_coverage"] == pytest.approx(0.875)


def test_analogies_by_section(tmp_path: Path) -> None:
    (tmp_path / "q.txt").write_text(": one\na b c d\nA B C D\n: two words\na b c e\nb a nowhere c\n")
    # b - a = d - c exactly
    table = torch.tensor([[1.0, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 1], [-1, -1, 0]])
    found = Analogies(str(tmp_path / "q.txt"), methods=["3cosadd", "3cosmul"])(frozen(table))
    assert found["analogies"] == found["analogies_3cosmul"] == pytest.approx(2 / 3)
    assert found["analogies_one"] == 1
    assert found["analogies_two_words"] == 0
    assert found["analogies_coverage"] == pytest.approx(3 / 4)
    few = Analogies(str(tmp_path / "q.txt"), restrict_vocab=4)(frozen(table))
    assert few["analogies_coverage"] == pytest.approx(2 / 4)
    none = Analogies()(frozen(table))
    assert none == {"analogies_coverage": 0.0}


@pytest.mark.parametrize(
    ("probe", "content", "message"),
    [
        (WordSimilarity, "a b 1\na b\n", "line 2: it is not 'word1 word2 score'"),
        (WordSimilarity, "", "holds no"),
        (Analogies, "a b c\n", "line 1: it is not 'a b c d'"),
        (Analogies, ": empty\n", "holds no questions"),
    ],
)
def test_bad_files(tmp_path: Path, probe: type, content: str, message: str) -> None:
    (tmp_path / "f").write_text(content)
    with pytest.raises(ValueError, match=f"^path=.*{message}"):
        probe(str(tmp_path / "f"))


def test_needs_a_table_with_names() -> None:
    with pytest.raises(ValueError, match="no table of named rows"):
        Analogies()(Frozen({}, {}, {}))
