"""What personas hold beyond a level: the kinds that they name, and whether later ratings agree.

    personas, windows, predictions ─▶ user_measures ─▶ substance_entries ─▶ results.json

- `cues`: words that say on which side of a user's usual verdict something lies.
- `vocabulary`: finds kinds in a text.
- `read_kinds`: which kinds a text names, and on which side.
- `content`: the words of a text that are neither function words nor the describer's phrases.
- `user_measures`: what one persona of one user shows.
- `substance_entries`: means over users, by domain, method and round.
- `entry`: the type of an entry in results.json.
"""
