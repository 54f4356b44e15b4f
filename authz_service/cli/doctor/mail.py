"""`authz doctor`, the mail server's part: it is reached, trusted, and lets us in."""

from collections.abc import Iterator
from smtplib import SMTPException

from authz_service.cli.doctor.finding import Finding, examined, ok, problem
from authz_service.config import Settings
from authz_service.jobs.composing import mailer


def mail_findings(settings: Settings) -> Iterator[Finding]:
    """Look at the mail server, if there is to be one; nothing is sent."""
    if settings.smtp_host:
        yield examined("mail", lambda: _mail(settings))


def _mail(settings: Settings) -> Finding:
    where = f"{settings.smtp_host}:{settings.smtp_port}"
    smtp = mailer(settings)
    if smtp is None:
        return ok("mail", "none is sent")
    try:
        smtp.probe()
    except (SMTPException, OSError) as error:
        text = str(error).partition("\n")[0]
        return problem(
            "mail", f"{where} did not let us in: {text}", "see AUTHZ_SMTP_*: no mail goes out"
        )
    return ok("mail", f"{where} answers and lets us in")
