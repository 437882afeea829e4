"""Runs in an environment of its own with roc-validator: CRATE, CONTEXT, PROFILE are its arguments.

It prints the profile and those that it builds on, which are checked too, then what is wrong.

The validator asks the network for RO-Crate's JSON-LD context. It is given the one that the rocrate
package ships (1.3), with the two terms of 1.1 that its profiles look for.
"""

import email.message
import io
import re
import sys
import urllib.request
from pathlib import Path

crate, context, profile = sys.argv[1:]
TEXT = Path(context).read_text()
for term in ("ComputationalWorkflow", "FormalParameter"):
    TEXT = TEXT.replace(f"https://bioschemas.org/terms/{term}", f"https://bioschemas.org/{term}")


class Answer(io.BytesIO):
    """What a web server would answer."""

    def __init__(self, url: str) -> None:
        super().__init__(TEXT.encode())
        self.url, self.status = url, 200
        self.headers = email.message.Message()
        self.headers["Content-Type"] = self.content_type = "application/ld+json"
        self.links: list[str] = []

    def geturl(self) -> str:
        return self.url

    def info(self) -> email.message.Message:
        return self.headers


def opened(request, *_, **__) -> Answer:
    url = request if isinstance(request, str) else request.full_url
    assert url == "https://w3id.org/ro/crate/1.1/context", url
    return Answer(url)


urllib.request.urlopen = opened
import rdflib._networking  # noqa: E402

rdflib._networking.urlopen = opened
from rocrate_validator import models, services  # noqa: E402

settings = services.ValidationSettings(
    rocrate_uri=crate,
    profile_identifier=profile,
    requirement_severity=models.Severity.REQUIRED,
    metadata_only=True,
)
issues = services.validate(settings).get_issues()
checked = next(p for p in services.get_profiles() if p.identifier.startswith(profile))
print(*(re.sub(r"-[\d.]+$", "", p.identifier) for p in (checked, *checked.inherited_profiles)))
for issue in issues:
    print(issue.check.identifier, issue.message)
sys.exit(bool(issues))
