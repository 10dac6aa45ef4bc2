# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Generate the tables of the documentation from argument specs and catalogs. Unit tests fail if the tables are out of date.

The tables are between markers in the README of every role that has variables, in docs/variables.md, docs/ports.md and docs/security.md.
"""

from __future__ import annotations

import json
import pathlib
import re
import typing as t

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- made by tools/docs -->", "<!-- end -->"
LONGEST_DEFAULT = 70


def roles() -> list[str]:
    """Return the names of all roles."""
    return sorted(path.parent.parent.name for path in ROOT.glob("roles/*/meta/argument_specs.yml"))


def options(role: str) -> dict[str, dict[str, t.Any]]:
    """Return the variables of all entry points of a role, by name."""
    specs = yaml.safe_load((ROOT / "roles" / role / "meta/argument_specs.yml").read_text())["argument_specs"]
    return {name: option for entry in specs.values() for name, option in entry.get("options", {}).items()}


def variables(role: str, defaults: str = "defaults/main.yml") -> str:
    """Return a table of the variables of a role; `defaults` is the link to its default values."""
    return table(("variable", "type", "default", "description"), _variables(options(role), "", defaults))


def ports() -> str:
    """Return a table of the ports that the hosts listen on."""
    entries = yaml.safe_load((ROOT / "catalog/ports.yml").read_text())["ports"]
    rows = [
        (
            f"`{entry['port']}`/{entry['protocol']}",
            entry["component"],
            ", ".join(entry["hosts"]) + (f" (`{entry['address']}`)" if "address" in entry else ""),
            ", ".join(entry["clients"]) or "the host itself",
            entry["purpose"],
        )
        for entry in entries
    ]
    return table(("port", "component", "hosts", "clients", "purpose"), rows)


def unpinned() -> str:
    """Return a list of the components and images whose checksums are not in the catalog."""
    catalog, pins = (yaml.safe_load((ROOT / "catalog" / name).read_text()) for name in ("components.yml", "checksums.yml"))
    pinned = {(name, version) for given in pins for name, versions in given["sha256"].items() for version in versions}

    def without(kind: str, versions: dict[str, str]) -> str:
        found = {name: versions[entry.get("project", name)] for name, entry in catalog[kind].items()}
        return ", ".join(f"{name} {version}" for name, version in found.items() if (name, version) not in pinned)

    minors = {path.stem: yaml.safe_load(path.read_text())["versions"] for path in sorted(ROOT.glob("catalog/[0-9]*.yml"))}
    rows = [(minor, without("components", versions), without("images", versions)) for minor, versions in minors.items()]
    return table(("catalog", "components without a pin", "images without a digest"), rows)


def table(heading: t.Sequence[str], rows: t.Iterable[t.Sequence[str]]) -> str:
    """Return a table in Markdown."""
    lines = [heading, ["---"] * len(heading), *([cell.replace("|", "\\|") for cell in row] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _variables(specs: dict[str, dict[str, t.Any]], prefix: str, defaults: str) -> t.Iterator[tuple[str, ...]]:
    for name, spec in specs.items():
        kind = f"list of {spec['elements']}" if "elements" in spec else spec["type"]
        default = "required" if spec.get("required") else _default(spec, defaults)
        yield f"`{prefix}{name}`", kind, default, _description(spec)
        inner = f"{prefix}{name}[]." if spec["type"] == "list" else f"{prefix}{name}."
        yield from _variables(spec.get("options", {}), inner, defaults)


def _default(spec: dict[str, t.Any], defaults: str) -> str:
    if "default" not in spec:
        return ""
    value = spec["default"]
    text = value if isinstance(value, str) and value else json.dumps(value)
    return f"`{text}`" if len(text) <= LONGEST_DEFAULT else f"see [defaults]({defaults})"


def _description(spec: dict[str, t.Any]) -> str:
    paragraphs = spec["description"] if isinstance(spec["description"], list) else [spec["description"]]
    choices = ", ".join(f"`{choice}`" for choice in spec.get("choices", []))
    return " ".join([markdown(paragraph) for paragraph in paragraphs] + ([f"One of {choices}."] if choices else []))


def markdown(text: str) -> str:
    """Return Ansible's markup as Markdown. C(), V(), O(), M(), P() and E() become code; the plugin before the name of an option is dropped."""

    def code(found: re.Match) -> str:
        name = re.sub(r"^(ignore:|[\w.]+#\w+:)", "", found[1])
        return f"`{re.sub(r'#[a-z]+$', '', name)}`"

    return re.sub(r"\b[CVOMPE]\(([^)]*)\)", code, " ".join(text.split()))


def filled(text: str, content: str, begin: str = BEGIN, end: str = END) -> str:
    """Return a document with the part between its markers replaced."""
    before, _begin, rest = text.partition(begin)
    _old, found, after = rest.partition(end)
    if not found:
        raise ValueError(f"Found no markers {begin} and {end} in a document. Add them where the table belongs.")
    return f"{before}{begin}\n{content}\n{end}{after}"


def contents() -> dict[pathlib.Path, str]:
    """Return the content between the markers of each document, by path."""
    readmes = {ROOT / "roles" / role / "README.md": variables(role) for role in roles() if options(role)}
    return {
        **readmes,
        ROOT / "docs/variables.md": variables("cluster", "../roles/cluster/defaults/main.yml"),
        ROOT / "docs/ports.md": ports(),
        ROOT / "docs/security.md": unpinned(),
    }


def main() -> None:
    for path, content in contents().items():
        text = path.read_text(encoding="utf-8")
        wanted = filled(text, content)
        if text != wanted:
            path.write_text(wanted, encoding="utf-8")
            print(path.relative_to(ROOT))


if __name__ == "__main__":
    main()
