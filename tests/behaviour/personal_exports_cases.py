"""Exports that sites give to one person, with the header rows that the sites write."""

import csv
import io
from collections.abc import Callable, Sequence
from typing import NamedTuple

from deeper.domains import Scale

ITEMS = 30


class ExportCase(NamedTuple):
    """An export: its header, a row for an item's number, day and rating, and what is to be found in it."""

    site: str
    header: str
    row: Callable[[int, str, str], Sequence[object]]
    columns: dict[str, str]
    scale: Scale
    rating: Callable[[int], float]

    def text(self, mark: str, items: int = ITEMS) -> str:
        """The file; every third item is not rated, which `mark` says."""
        text = io.StringIO(newline="")
        rows = csv.writer(text, lineterminator="\n")
        text.write(f"{self.header}\n")
        for i in range(items):
            rating = mark if i % 3 == 2 else f"{self.rating(i):g}"
            rows.writerow(self.row(i, f"2023-{1 + i // 28:02}-{1 + i % 28:02}", rating))
        return text.getvalue()


def _slashes(day: str) -> str:
    return day.replace("-", "/")


def _title(i: int) -> str:
    return f"Cove No. {i}"


def _whole(top: int) -> Callable[[int], float]:
    return lambda i: 2 + i % (top - 1)


def _half(top: int) -> Callable[[int], float]:
    return lambda i: 1 + i % (2 * top - 1) / 2


EXPORTS = (
    ExportCase(
        "Letterboxd",
        "Date,Name,Year,Letterboxd URI,Rating",
        lambda i, day, rating: (day, _title(i), 1990 + i, f"https://boxd.it/{i}", rating),
        {"title": "Name", "rating": "Rating", "time": "Date", "item": "Letterboxd URI"},
        Scale(0.5, 5, 0.5),
        _half(5),
    ),
    ExportCase(
        "Letterboxd",
        "Date,Name,Year,Letterboxd URI,Rating,Rewatch,Tags,Watched Date",
        lambda i, day, rating: ("2024-02-01", _title(i), 1990 + i, f"https://boxd.it/{i}", rating, "", "", day),
        {"title": "Name", "rating": "Rating", "time": "Watched Date", "item": "Letterboxd URI"},
        Scale(0.5, 5, 0.5),
        _half(5),
    ),
    ExportCase(
        "IMDb",
        "Const,Your Rating,Date Rated,Title,Original Title,URL,Title Type,IMDb Rating,Runtime (mins),Year,Genres,"
        "Num Votes,Release Date,Directors",
        lambda i, day, rating: (
            f"tt{i:07}", rating, day, _title(i), _title(i), f"https://www.imdb.com/title/tt{i:07}/", "Movie", 7.7, 120,
            1999, ("Drama", "Comedy, War")[i % 2], 2000000, "1999-03-31", "One Director",
        ),
        {"title": "Title", "rating": "Your Rating", "time": "Date Rated", "item": "Const", "categories": "Genres"},
        Scale(1, 10, 1),
        _whole(10),
    ),
    ExportCase(
        "IMDb",
        "Position,Const,Created,Modified,Description,Title,URL,Title Type,IMDb Rating,Runtime (mins),Year,Genres,"
        "Num Votes,Release Date,Directors,Your Rating,Date Rated",
        lambda i, day, rating: (
            i, f"tt{i:07}", "2018-01-16", "2018-01-16", "", _title(i), "https://www.imdb.com", "movie", 7.7, 120, 1999,
            ("Drama", "Comedy, War")[i % 2], 2000000, "1999-03-31", "One Director", rating, day,
        ),
        {"title": "Title", "rating": "Your Rating", "time": "Date Rated", "item": "Const", "categories": "Genres"},
        Scale(1, 10, 1),
        _whole(10),
    ),
    ExportCase(
        "TMDB",
        "TMDb ID,IMDb ID,Type,Name,Release Date,Season Number,Episode Number,Rating,Your Rating,Date Rated",
        lambda i, day, rating: (
            900 + i, f"tt{i:07}", "movie", _title(i), "2022-05-04T00:00:00Z", "", "", 7.229, rating, f"{day}T00:00:00Z",
        ),
        {"title": "Name", "rating": "Your Rating", "time": "Date Rated", "item": "TMDb ID"},
        Scale(0.5, 10, 0.5),
        _half(10),
    ),
    ExportCase(
        "Goodreads",
        "Book Id,Title,Author,Author l-f,Additional Authors,ISBN,ISBN13,My Rating,Average Rating,Publisher,Binding,"
        "Number of Pages,Year Published,Original Publication Year,Date Read,Date Added,Bookshelves,"
        "Bookshelves with positions,Exclusive Shelf,My Review,Spoiler,Private Notes,Read Count,Owned Copies",
        lambda i, day, rating: (
            70 + i, _title(i), "One Writer", "Writer, One", "", '="0441013597"', '="9780441013594"', rating, 4.26,
            "Ace", "Paperback", 412, 1965, 1965, _slashes(day) if i % 2 else "", _slashes(day), "", "", "read", "", "",
            "", 1, 0,
        ),
        {"title": "Title", "rating": "My Rating", "time": "Date Added", "item": "Book Id"},
        Scale(1, 5, 1),
        _whole(5),
    ),
    ExportCase(
        "StoryGraph",
        "Title,Authors,Contributors,ISBN/UID,Format,Read Status,Date Added,Last Date Read,Dates Read,Read Count,Moods,"
        "Pace,Character- or Plot-Driven?,Strong Character Development?,Loveable Characters?,Diverse Characters?,"
        "Flawed Characters?,Star Rating,Review,Content Warnings,Content Warning Description,Tags,Owned?",
        lambda i, day, rating: (
            _title(i), "One Writer", "", f"97804411{i:05}" if i % 5 else "", "paperback", "read", _slashes(day),
            _slashes(day) if i % 2 else "", "", 1, "dark", "fast", "Plot", "Yes", "No", "No", "Yes", rating, "", "", "",
            "", "Yes",
        ),
        {"title": "Title", "rating": "Star Rating", "time": "Date Added", "item": "ISBN/UID"},
        Scale(0.25, 5, 0.25),
        lambda i: 1 + i % 17 / 4,
    ),
    ExportCase(
        "Trakt",
        "rated_at,type,title,year,trakt_rating,trakt_id,imdb_id,tmdb_id,tvdb_id,url,released,season_number,"
        "episode_number,episode_title,episode_released,episode_trakt_rating,episode_trakt_id,episode_imdb_id,"
        "episode_tmdb_id,episode_tvdb_id,genres,rating",
        lambda i, day, rating: (
            f"{day}T13:48:52Z", "movie", _title(i), 2014, 8.34601, 82000 + i, f"tt{i:07}", 118340, "",
            "https://trakt.tv/movies", "2014-08-01", "", "", "", "", "", "", "", "", "",
            ("adventure,action", "drama")[i % 2], rating,
        ),
        {"title": "title", "rating": "rating", "time": "rated_at", "item": "trakt_id", "categories": "genres"},
        Scale(1, 10, 1),
        _whole(10),
    ),
    ExportCase(
        "Trakt",
        "rated_at,rating,type,movie.title,movie.year,movie.ids.trakt,movie.ids.slug,movie.ids.imdb,movie.ids.tmdb",
        lambda i, day, rating: (f"{day}T13:48:52.000Z", rating, "movie", _title(i), 2014, 82000 + i, "s", "tt1", 1),
        {"title": "movie.title", "rating": "rating", "time": "rated_at", "item": "movie.ids.trakt"},
        Scale(1, 10, 1),
        _whole(10),
    ),
    ExportCase(
        "Trakt",
        "rated_at,rating,type,show.title,show.year,show.ids.trakt,show.ids.slug,show.ids.imdb,show.ids.tmdb",
        lambda i, day, rating: (f"{day}T13:48:52.000Z", rating, "show", _title(i), 2014, 82000 + i, "s", "tt1", 1),
        {"title": "show.title", "rating": "rating", "time": "rated_at", "item": "show.ids.trakt"},
        Scale(1, 10, 1),
        _whole(10),
    ),
    ExportCase(
        "Google Maps",
        "date,five_star_rating_published,google_maps_url,location.name,location.address,location.country_code",
        lambda i, day, rating: (f"{day}T12:00:00Z", rating, "https://maps.google.com", _title(i), "1 Way", "ES"),
        {"title": "location.name", "rating": "five_star_rating_published", "time": "date"},
        Scale(1, 5, 1),
        _whole(5),
    ),
    ExportCase(
        "MovieLens",
        "movie_id,imdb_id,tmdb_id,rating,average_rating,title",
        lambda i, day, rating: (500 + i, f"{i:07}", 424 + i, rating, 4.23941, f"{_title(i)} (1993)"),
        {"title": "title", "rating": "rating", "item": "movie_id"},
        Scale(0.5, 5, 0.5),
        _half(5),
    ),
    ExportCase(
        "Rate Your Music",
        "RYM Album,First Name,Last Name,First Name localized,Last Name localized,Title,Release_Date,Rating,Ownership,"
        "Purchase Date,Media Type",
        lambda i, day, rating: (1234 + i, "One", "Band", "", "", _title(i), 1997, rating, "o", "", "CD"),
        {"title": "Title", "rating": "Rating", "item": "RYM Album"},
        Scale(1, 10, 1),
        _whole(10),
    ),
    ExportCase(
        "BoardGameGeek",
        "objectname,objectid,rating,numplays,weight,own,fortrade,want,wanttobuy,wanttoplay,prevowned,preordered,"
        "wishlist,wishlistpriority,wishlistcomment,comment,conditiontext,haspartslist,wantpartslist,collid,baverage,"
        "average,avgweight,rank,numowned,objecttype,originalname,minplayers,maxplayers,playingtime,maxplaytime,"
        "minplaytime,yearpublished",
        lambda i, day, rating: (
            _title(i), 230802 + i, rating, *(0,) * 10, 3, *("",) * 5, 136606086 + i, 7.60511, 7.71423, 1.7719, 99,
            184622, "thing", _title(i), 2, 4, 45, 45, 30, 2017,
        ),
        {"title": "objectname", "rating": "rating", "item": "objectid"},
        Scale(1, 10, 0.5),
        _half(10),
    ),
    ExportCase(
        "Vivino",
        "Winery,Wine name,Vintage,Region,Country,Regional wine style,Average rating,Scan date,Scan/Review Location,"
        "Your rating,Your review,Personal Note,Wine type,Drinking Window,Link to wine,Label image",
        lambda i, day, rating: (
            "One Winery", _title(i), 2020, "Graves", "France", "Bordeaux Red", 3.7, f"{day} 11:36:35", "", rating,
            "", "", ("Red", "White")[i % 2], "", "https://vivino.example", "",
        ),
        {"title": "Wine name", "rating": "Your rating", "time": "Scan date", "categories": "Wine type"},
        Scale(1, 5, 0.5),
        _half(5),
    ),
    ExportCase(
        "Untappd",
        "beer_name,brewery_name,beer_type,beer_abv,beer_ibu,comment,venue_name,venue_city,venue_state,venue_country,"
        "venue_lat,venue_lng,rating_score,created_at,checkin_url,beer_url,brewery_url,brewery_country,brewery_city,"
        "brewery_state,flavor_profiles,purchase_venue,serving_type,checkin_id,bid,brewery_id,photo_url,"
        "global_rating_score,global_weighted_rating_score,tagged_friends,total_toasts,total_comments",
        lambda i, day, rating: (
            _title(i), "One Brewery", ("IPA", "Stout")[i % 2], 6.1, 50, "", *("",) * 6, rating, f"{day} 20:12:00",
            *("",) * 9, 1234 + i, 567 + i, 9, "", 3.85, 3.84, "", 0, 0,
        ),
        {
            "title": "beer_name", "rating": "rating_score", "time": "created_at", "item": "bid",
            "categories": "beer_type",
        },
        Scale(0.25, 5, 0.25),
        lambda i: 1 + i % 17 / 4,
    ),
)  # fmt: skip
