#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

awaitable<void> check_publications(const subject& what, findings& into) {
    for (const auto& each : what.source->publications) {
        if (!each.owned && each.excludes) {
            refuse(into, "publications",
                   fmt::format(
                       "publication {} is FOR ALL TABLES EXCEPT {}: the swap must make it leave out the new table, "
                       "which only a superuser may",
                       display_identifier(each.name), what.source->name.display()),
                   "connect as a superuser, or drop the publication for the time of the run");
        } else if (!each.owned) {
            refuse(into, "publications",
                   fmt::format("publication {} must name the new table, and role {} may not change it",
                               display_identifier(each.name), quote_identifier(what.conn.user())),
                   "connect as a role that is a member of the publication's owner");
        }
    }
    co_return;
}

}  // namespace pgeist::check
