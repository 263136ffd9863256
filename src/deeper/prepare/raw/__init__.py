"""Raw files of the ten domains: one reader for each raw format, and what all readers share.

To add a raw format, write one file: `readers/<format>.py`; `readers/movielens.py` is a short example. Its docstring
shows the published files, and it declares two things:

- a `Reader` (see `reader.py`): where user, item, rating, time and title stand in the records, and how the files are
  named,
- `READERS`, the tuple of the readers in that file. Every module in `readers/` is imported when the package is, so no
  list of readers is kept by hand.

Three other places name the format:

- `prepare/sources.py`: the domains that come in it,
- `prepare/synth/file_formats.py`: how a synthetic file of it is written, for the tests and `deeper synth raw`,
- `docs/domains.md`: what the format is called.

The contract test is `ReaderContract` in `tests/prepare/reader_contract.py`. `tests/prepare/test_raw_readers.py` runs it
for every reader, so a new one is covered as soon as its synthetic format exists.
"""
