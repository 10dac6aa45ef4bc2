# Copyright: the cfcr.kubernetes maintainers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The base of lookups into the catalog."""

from __future__ import annotations

import typing as t

from ansible.errors import AnsibleLookupError
from ansible.plugins.lookup import LookupBase

from ...module_utils._bundle.lock import Lock
from .._bundle.opened import opened, source_of
from .._catalog.catalog import CatalogError, Source, load

__all__ = ("CatalogLookup",)

_VARIABLES = ("cluster_artifact_", "cluster_bundle", "cluster_kubernetes_", "cluster_release")


class CatalogLookup(LookupBase):
    """A lookup with variables of the cluster as options. It returns one list, whatever the number of names."""

    def run(self, terms: list[str], variables: dict[str, t.Any], **kwargs: t.Any) -> list[t.Any]:
        """Return the answer as the only element, so that lookup() returns it unchanged."""
        names = [variable for variable in variables if variable.startswith(_VARIABLES)]
        self.set_options(var_options={name: self._templar.template(variables[name]) for name in names}, direct=kwargs)
        try:
            release = self.get_option("kubernetes_version")
            return [self.answer(load(release if isinstance(release, dict) else str(release)), terms)]
        except CatalogError as error:
            raise AnsibleLookupError(str(error)) from error

    def answer(self, catalog: dict[str, t.Any], names: list[str]) -> t.Any:
        """Return the entries of these names in the catalog."""
        raise NotImplementedError

    def source(self) -> Source:
        """Return the source of the hosts' downloads."""
        kind, checksums = self.get_option("source"), self.get_option("checksums")
        return source_of(self.bundle(), checksums) if kind == "bundle" else Source(kind, self.get_option("mirror"), checksums)

    def bundle(self) -> Lock:
        """Return the lock of the bundle, whose signature is verified."""
        return opened(self.get_option("bundle"), self.get_option("signers"))
