# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The list of a bundle's software and licences, in the format SPDX 2.3."""

from __future__ import annotations

import json
import re

from .lock import Lock, digest_of, render
from .packages import NOTHING

__all__ = ("SPDX", "document")

SPDX = "bundle.spdx.json"


def document(lock: Lock, collection: str) -> bytes:
    """Return the document for the files of a lock."""
    packages = [
        {
            "SPDXID": f"SPDXRef-{number}",
            "name": path,
            "packageFileName": path,
            "downloadLocation": file.url if re.match(r"https?://", file.url) else NOTHING,
            "filesAnalyzed": False,
            "checksums": [{"algorithm": "SHA256", "checksumValue": file.sha256}],
            "licenseConcluded": NOTHING,
            "licenseDeclared": file.licence,
            "copyrightText": NOTHING,
            "comment": file.purpose,
            **({"externalRefs": [_package(file.url)]} if file.url.startswith("pkg:") else {}),
        }
        for number, (path, file) in enumerate(sorted(lock.files.items()), start=1)
    ]
    value = {
        "spdxVersion": "SPDX-2.3",
        "dataLicense": "CC0-1.0",
        "SPDXID": "SPDXRef-DOCUMENT",
        "name": lock.name,
        "documentNamespace": f"https://spdx.org/spdxdocs/{lock.name}-{digest_of(render(lock))[:16]}",
        "creationInfo": {"created": lock.made, "creators": [f"Tool: cfcr.kubernetes-{collection}"]},
        "packages": packages,
        "relationships": [
            {"spdxElementId": "SPDXRef-DOCUMENT", "relationshipType": "DESCRIBES", "relatedSpdxElement": package["SPDXID"]} for package in packages
        ],
    }
    return (json.dumps(value, indent=1) + "\n").encode()


def _package(purl: str) -> dict[str, str]:
    return {"referenceCategory": "PACKAGE-MANAGER", "referenceType": "purl", "referenceLocator": purl}
