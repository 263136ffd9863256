"""The content of a text: its words without function words, the describer's phrases and the item noun."""

from deeper.domains import Domain
from deeper.evaluation.substance.vocabulary import noun_words, phrase_words
from deeper.measure.text import content_words


def content_of(text: str, domain: Domain) -> frozenset[str]:
    """The distinct words of a text that are no stop words, and that neither the describer's phrases nor levels use.

    What is left are mostly the kinds that the text names. The item noun of the domain is left out, too.
    """
    return content_words(text) - phrase_words() - noun_words(domain)
