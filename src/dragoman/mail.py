"""Mail, through the operator's SMTP server: dialled under the egress policy, over verified TLS.

Sources: RFC 5321, RFC 3207 (STARTTLS), RFC 8314.
"""

from __future__ import annotations

import smtplib
import socket
from email.errors import MessageError
from email.headerregistry import Address
from email.message import EmailMessage
from email.utils import formatdate, make_msgid
from typing import Any

from dragoman.dialects.failures import DatabaseFailure
from dragoman.dialects.network import probe_tls
from dragoman.egress import EgressPolicy
from dragoman.settings import Settings

SECONDS = 20.0


class MailFailure(Exception):
    """The mail was not handed over. The text names the server's reason, never the mail."""


def is_set_up(settings: Settings) -> bool:
    """Whether the operator named a server."""
    return bool(settings.smtp_host)


def send(settings: Settings, network: EgressPolicy, to: str, subject: str, text: str) -> None:
    """Hand one mail of plain text over. Takes up to a minute: call it on a thread.

    Raises `MailFailure`.
    """
    try:
        message = _message(settings.smtp_from or settings.smtp_user, to, subject, text)
        with _Connection(settings, network) as connection:
            if settings.smtp_tls == "starttls":
                connection.starttls(context=network.tls.context())
            if settings.smtp_user:
                connection.login(settings.smtp_user, settings.smtp_password.reveal())
            connection.send_message(message, to_addrs=[to])
    except smtplib.SMTPResponseException as error:
        raise MailFailure(f"the mail server answered {error.smtp_code}") from None
    except smtplib.SMTPRecipientsRefused as error:
        code = next((told[0] for told in error.recipients.values()), "nothing")
        raise MailFailure(f"the mail server refused the recipient with {code}") from None
    except (smtplib.SMTPException, MessageError, OSError, ValueError) as error:
        raise MailFailure(f"the mail server failed: {type(error).__name__}") from None
    except DatabaseFailure as failure:
        raise MailFailure(failure.message) from None


def _message(sender: str, to: str, subject: str, text: str) -> EmailMessage:
    message = EmailMessage()
    message["From"], message["Subject"] = sender, subject
    # One address, whatever characters are in it.
    message["To"] = Address(addr_spec=to)
    message["Date"], message["Message-ID"] = formatdate(), make_msgid(domain="dragoman.invalid")
    message["Auto-Submitted"] = "auto-generated"  # RFC 3834: no automatic replies, please
    message.set_content(text)
    return message


class _Connection(smtplib.SMTP):
    """smtplib on a socket that the egress policy dialled."""

    def __init__(self, settings: Settings, network: EgressPolicy) -> None:
        self._network = network
        self._at_once = settings.smtp_tls == "tls"
        # A name of ours: the default would look this machine up in DNS.
        super().__init__(settings.smtp_host, settings.smtp_port, "localhost", SECONDS)

    def _get_socket(self, host: str, port: int, timeout: Any) -> socket.socket:
        found, _ = self._network.connect(host, port, timeout)
        if self._at_once:
            found = probe_tls(found, host, self._network.tls, timeout=timeout)
        found.settimeout(timeout)
        return found
