#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* name = "foreign_keys";

/// Servers before 18 cannot add a foreign key to a partitioned table without reading it all, under the swap's lock.
constexpr int first_with_partitioned_not_valid = 18;

void judge(const subject& what, const catalog::foreign_key& key, findings& into) {
    const std::string shown = fmt::format("foreign key {} of {}", display_identifier(key.name), key.table.display());
    if (key.table_kind == 'p' && what.conn.server_major() < first_with_partitioned_not_valid) {
        refuse(into, name,
               fmt::format("{} cannot be led to the new table: {} is partitioned", shown, key.table.display()),
               "before PostgreSQL 18 such a key cannot be added NOT VALID; drop it for the time of the run");
    }
    if (!key.trigger_states.empty()) {
        refuse(into, name, fmt::format("triggers of {} are disabled, which cannot be carried to the new table", shown),
               "ALTER TABLE … ENABLE TRIGGER ALL, or drop the foreign key");
    }
}

}  // namespace

awaitable<void> check_foreign_keys(const subject& what, findings& into) {
    for (const auto* keys : {&what.source->foreign_keys, &what.source->referenced_by}) {
        for (const auto& key : *keys) {
            judge(what, key, into);
        }
    }
    co_return;
}

}  // namespace pgeist::check
