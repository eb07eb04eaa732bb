#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* free_names_check = "free_names";

}  // namespace

awaitable<void> check_free_names(const subject& what, findings& into) {
    const std::string schema = fmt::format("pgeist_{}", what.job);
    const auto rows = co_await what.conn.query(
        "SELECT nspname FROM pg_namespace WHERE nspname = $1 OR nspname = $1 || '_old'", schema);
    if (!rows.empty()) {
        refuse(into, free_names_check, fmt::format("schema {} exists already", rows.view(0, 0)),
               fmt::format("`pgeist cleanup {}` removes what an earlier job left", what.job));
    }
    // pgeist's own tables stand beside the shadow, which has the table's name.
    if (what.found && what.found->name.name.rfind("pgeist_", 0) == 0) {
        refuse(into, free_names_check,
               fmt::format("the name of {} begins with pgeist_, as those of pgeist's own tables do",
                           what.found->name.display()));
    }
}

}  // namespace pgeist::check
