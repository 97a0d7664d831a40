"""Tables of the room of signing in. Only this room reads them. No secret stands in them: of
passwords an Argon2id hash, of everything else a SHA-256."""

from __future__ import annotations

from sqlalchemy import Boolean, Column, ForeignKey, Integer, LargeBinary, String, Table, Text

from dragoman.store.metadata import Id, Time, metadata

_USER = "users.id"

passwords = Table(
    "signin_passwords",
    metadata,
    Column("user_id", Id, ForeignKey(_USER, ondelete="CASCADE"), primary_key=True),
    Column("hash", Text, nullable=False),
    Column("changed_at", Time, nullable=False),
)

sessions = Table(
    "signin_sessions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("digest", LargeBinary(32), nullable=False, unique=True),
    Column("user_id", Id, ForeignKey(_USER, ondelete="CASCADE"), nullable=False, index=True),
    Column("created_at", Time, nullable=False),
    Column("seen_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
    Column("address", String(64), nullable=False),
    Column("agent", String(200), nullable=False),
    # Open for nothing but setting up the second factor that is demanded.
    Column("enrolling", Boolean, nullable=False, default=False),
    # The identity provider that vouched for the person, and what it calls the session.
    Column("provider_id", Id, index=True),
    Column("provider_session", String(255)),
)

totp = Table(
    "signin_totp",
    metadata,
    Column("user_id", Id, ForeignKey(_USER, ondelete="CASCADE"), primary_key=True),
    Column("confirmed_at", Time),
    Column("last_step", Integer, nullable=False),  # the newest code that was used
)

recovery_codes = Table(
    "signin_recovery_codes",
    metadata,
    Column("user_id", Id, ForeignKey(_USER, ondelete="CASCADE"), primary_key=True),
    Column("digest", LargeBinary(32), primary_key=True),
)

links = Table(
    "signin_links",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", Id, ForeignKey(_USER, ondelete="CASCADE"), nullable=False, index=True),
    Column("purpose", String(20), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("expires_at", Time, nullable=False),
)

# Sessions of the first of two steps of embedding.
embed_pending = Table(
    "signin_embed_pending",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", Id, ForeignKey(_USER, ondelete="CASCADE"), nullable=False),
    Column("content_path", Text, nullable=False),
    Column("expires_at", Time, nullable=False),
)

# Nonces that were used. Those of addresses that never end are kept for good.
embed_nonces = Table(
    "signin_embed_nonces",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("expires_at", Time),
)

# By a digest of the e-mail address, so that an address nobody has is throttled alike.
failures = Table(
    "signin_failures",
    metadata,
    Column("account", LargeBinary(32), primary_key=True),
    Column("count", Integer, nullable=False),
    Column("last_at", Time, nullable=False),
)

# Identity providers; their client secrets are sealed elsewhere, or kept outside and named here.
providers = Table(
    "signin_providers",
    metadata,
    Column("id", Id, primary_key=True),
    Column("slug", String(40), nullable=False, unique=True),
    Column("issuer", Text, nullable=False),
    Column("settings", Text, nullable=False),  # JSON
    Column("secret_reference", String(260)),
    Column("created_at", Time, nullable=False),
    Column("updated_at", Time, nullable=False),
)

# Whom a provider means by its own name for somebody: SHA-256 over issuer and subject.
subjects = Table(
    "signin_subjects",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("user_id", Id, ForeignKey(_USER, ondelete="CASCADE"), nullable=False, index=True),
    Column("issuer", Text, nullable=False),
    Column("subject", String(255), nullable=False),
    Column("created_at", Time, nullable=False),
    Column("seen_at", Time, nullable=False),
)

# What people gave to applications. A code has no `token_id` before it is used. `former_digest`: of
# the refresh token before the present one.
grants = Table(
    "signin_grants",
    metadata,
    Column("id", Id, primary_key=True),
    Column("user_id", Id, ForeignKey(_USER, ondelete="CASCADE"), nullable=False, index=True),
    Column("application", String(40), nullable=False),
    Column("redirect_uri", String(200), nullable=False),
    Column("challenge", String(43), nullable=False),
    Column("code_digest", LargeBinary(32), nullable=False, unique=True),
    Column("code_until", Time, nullable=False),
    Column("token_id", Id, ForeignKey("tokens.id", ondelete="CASCADE"), index=True),
    Column("refresh_digest", LargeBinary(32), unique=True),
    Column("former_digest", LargeBinary(32), unique=True),
    Column("refreshed_at", Time),
    Column("ends_at", Time, nullable=False, index=True),
)

# Answers of providers, and their logout tokens, that were used.
used_answers = Table(
    "signin_used_answers",
    metadata,
    Column("digest", LargeBinary(32), primary_key=True),
    Column("expires_at", Time, nullable=False, index=True),
)
