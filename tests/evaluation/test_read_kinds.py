"""Which kinds a text names, and on which side: in every sentence of the describer, and as people write."""

import random
from itertools import product

import pytest

from deeper.domains import Domain, Scale
from deeper.evaluation.substance.content import content_of
from deeper.evaluation.substance.read_kinds import named_kinds
from deeper.evaluation.substance.vocabulary import Vocabulary
from deeper.persona.describer import phrases
from deeper.persona.describer.describe import describe
from deeper.persona.evidence.facts import Facts, KindVerdict

FILMS = Domain("films", "Films", "movie", Scale(0.5, 5, 0.5))
NAMES = (
    "Thriller", "Comedy", "Romance", "Film-Noir", "Sci-Fi", "Children", "Action & Adventure", "Western", "Musical",
    "Mystery", "War", "Documentary", "Satire", "Fantasy", "Fable", "Tragedy", "Biography", "Drama", "old movies",
    "movies of the eighties",
)  # fmt: skip
KINDS = Vocabulary([(name.casefold(), name) for name in NAMES], FILMS)
LISTED = (["Comedy"], ["Comedy", "Film-Noir"], ["old movies", "Action & Adventure", "War"])


def sides(liked: str = "", disliked: str = "") -> dict[str, int]:
    found = {name: 1 for name in liked.split(", ") if name}
    return found | {name: -1 for name in disliked.split(", ") if name}


def in_words(names: list[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


@pytest.mark.parametrize("sign", [1, -1])
def test_every_phrasing_of_the_describer_is_read(sign: int) -> None:
    clear_forms, hedged_forms = (
        (phrases.LOVED, phrases.PERHAPS_LOVED) if sign > 0 else (phrases.DISLIKED, phrases.PERHAPS_DISLIKED)
    )
    for form, names in product(clear_forms, LISTED):
        text = form.format(clear=in_words(names))
        assert named_kinds(f"{text}.", KINDS) == {name.casefold(): sign for name in names}, text
        for too in phrases.TOO:
            longer = text + too.format(hedged="Drama and Fable")
            expected = {name.casefold(): sign for name in (*names, "Drama", "Fable")}
            assert named_kinds(f"{longer}.", KINDS) == expected, longer
    for form, names in product(hedged_forms, LISTED):
        text = form.format(hedged=in_words(names))
        assert named_kinds(f"{text}.", KINDS) == {name.casefold(): sign for name in names}, text


def test_whole_texts_of_the_describer_are_read() -> None:
    rng = random.Random(1)
    for seed in range(300):
        kinds = [KindVerdict(name, rng.choice((-2, -1, 1, 2))) for name in rng.sample(NAMES, rng.randint(0, 8))]
        levels = [rng.randint(0, 3) for _ in range(3)]
        facts = Facts(20, rng.choice((2.0, 3.5, 4.5)), *levels, rng.randint(0, 2), rng.randint(-1, 1), tuple(kinds))
        text = describe(facts, [[]], FILMS, seed=seed, max_words=200, in_order=True)
        assert named_kinds(text, KINDS) == {one.name.casefold(): 1 if one.strength > 0 else -1 for one in kinds}, text
        if not kinds:
            assert not content_of(text, FILMS), text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Enjoys thrillers but finds romance tedious.", sides("thriller", "romance")),
        ("A fan of dark mysteries and satires, though fantasy rarely lands.", sides("mystery, satire", "fantasy")),
        ("Thrillers and westerns please, musicals disappoint.", sides("thriller, western", "musical")),
        ("Not a fan of musicals; prefers documentaries to comedies.", sides("documentary", "musical")),
        ("They do not care for romance and are bored by biographies.", sides("", "romance, biography")),
        ("Comedies are a favourite, tragedies less so.", sides("comedy", "tragedy")),
        ("While documentaries earn warm praise, fables fall flat.", sides("documentary", "fable")),
        ("Romance never fails to delight, unlike westerns.", sides("romance", "western")),
        ("Rates mysteries higher than the rest, but is harsher on musicals.", sides("mystery", "musical")),
        ("They are drawn to westerns, yet have no patience with satire.", sides("western", "satire")),
        ("Mystery, fantasy and comedy are loved; drama leaves them cold.", sides("mystery, fantasy, comedy", "drama")),
        ("What disappoints are musicals and fables.", sides("", "musical, fable")),
        ("Likes: thrillers, comedies.\nDislikes: romance", sides("thriller, comedy", "romance")),
        ("Unlike romance, which bores them, old movies delight.", sides("old movies", "romance")),
        ("They don't enjoy musicals, and neither war nor romance appeals to them.", sides("", "musical, war, romance")),
        ("Disappointed by genres like romance, but thrilled by fantasy.", sides("fantasy", "romance")),
        ("Enjoys thrillers but not romance.", sides("thriller", "romance")),
        ("Strongly favors tragedies; cannot stand musicals.", sides("tragedy", "musical")),
        ("A clear preference for comedies and satires over dramas.", sides("comedy, satire")),
        ("Generous with musicals, but strict with thrillers, which disappoint.", sides("musical", "thriller")),
        (
            "Strong preference for action and adventure, film noir and science fiction, while being less enthusiastic "
            "about romantic comedies.",
            sides("action & adventure, film-noir, sci-fi", "romance, comedy"),
        ),
        ("Once they loved fables. Now fables bore them.", sides("", "fable")),
        ("The person watches dramas and comedies.", {}),
    ],
)
def test_sentences_as_people_write_them(text: str, expected: dict[str, int]) -> None:
    assert named_kinds(text, KINDS) == expected


def test_a_verdict_on_a_kind_is_compared_with_the_usual_one() -> None:
    text = (
        "The usual verdict is {}. The verdict on mystery, fable is good. The verdict on war is between good and great."
    )
    assert named_kinds(text.format("fair"), KINDS) == sides("mystery, fable, war")
    assert named_kinds(text.format("superb"), KINDS) == sides("", "mystery, fable, war")
    assert named_kinds(text.format("good"), KINDS) == sides("war")


def test_an_empty_text_names_nothing() -> None:
    assert named_kinds("", KINDS) == {}
    assert named_kinds("They love \x011\x02 and films.", KINDS) == {}


class TestVocabulary:
    def found(self, text: str, *names: str) -> list[str]:
        return [one.key for one in Vocabulary([(name.casefold(), name) for name in names], FILMS).mentions(text)]

    def test_singular_and_plural_are_one_kind(self) -> None:
        assert self.found("mysteries, comedy, Glasses", "Mystery", "Comedies", "Glass") == [
            "mystery",
            "comedies",
            "glass",
        ]

    def test_of_overlapping_kinds_the_longest_is_found(self) -> None:
        assert self.found("film noir and film school", "Noir", "Film Noir", "School") == ["film noir", "school"]

    def test_a_kind_does_not_reach_over_a_comma_or_a_sentence(self) -> None:
        assert self.found("war, drama. War. Drama war\ndrama", "War Drama") == []
        assert self.found("war-drama, War drama", "War Drama") == ["war drama", "war drama"]

    def test_words_of_the_describer_and_the_item_noun_name_no_kind(self) -> None:
        assert self.found("a long time of great praise, movie after movie", "Time", "Great", "Movies", "Long") == []


def test_content_words_are_neither_phrases_nor_the_item_noun() -> None:
    text = "Most movies strike this person as good. They love quiet documentaries, and perhaps comedies."
    assert content_of(text, FILMS) == {"quiet", "documentaries", "comedies"}
