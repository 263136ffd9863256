"""Every reader of a raw format keeps the contract; a new one is covered as soon as its module exists."""

from reader_contract import ReaderContract, formats_of

from deeper.prepare.raw.readers import READERS


class TestBuiltIn(ReaderContract):
    raw_format = formats_of(*READERS.values())
