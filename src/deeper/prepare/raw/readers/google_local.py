"""Google Local 2021: reviews and places as JSON lines.

    review-New_York_10.json.gz      user_id (21 digits, too many for a float), gmap_id, rating, time (ms), …
    meta-New_York.json.gz           gmap_id, name, address ("Name, 1 Broad St, …"), category (a list or null), …

The title is the address, which begins with the name; without an address it is the name. Sources: Li, Shang and
McAuley, UCTopic, ACL 2022; Yan et al., Personalized showcases, SIGIR 2023.
"""

from deeper.prepare.raw.reader import UNIX_MILLISECONDS, Fields, Reader

READERS = (
    Reader(
        name="google_local",
        record_format="json",
        ratings=Fields({"user": ("user_id",), "item": ("gmap_id",), "rating": ("rating",), "time": ("time",)}),
        meta=Fields({"item": ("gmap_id",), "title": ("address", "name")}, optional={"category": ("category",)}),
        time_sql=UNIX_MILLISECONDS,
        rating_files=("review-{}_10.json", "review-{}.json", "review_{}_10.json", "review_{}.json"),
        meta_files=("meta-{}.json", "meta_{}.json"),
        identifying_keys=("user_id", "gmap_id", "rating", "time"),
    ),
)
