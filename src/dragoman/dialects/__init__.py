"""Floor 1: what each SQL dialect needs, and how it is dialled, asked and understood.

Usable without the server: nothing here knows HTTP, the store or the settings.
`registry.get(name)` gives a dialect; `validation.validate(body)` checks a connection's settings.
"""
