#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* foreign_keys_check = "foreign_keys";

/// Servers before 18 cannot add a foreign key to a partitioned table without reading it all, under the swap's lock.
constexpr int first_with_partitioned_not_valid = 18;

/// Rows whose foreign key can be validated within the lock's usual time.
constexpr std::int64_t most_rows_validated = 100'000;

/// `superuser`: the role may change the state of triggers that the server has made.
void judge(const subject& what, const catalog::foreign_key& key, bool superuser, findings& into) {
    const std::string shown = fmt::format("foreign key {} of {}", display_identifier(key.name), key.table.display());
    const bool before_18 = what.conn.server_major() < first_with_partitioned_not_valid;
    if (key.table_kind == 'p' && before_18) {
        refuse(into, foreign_keys_check,
               fmt::format("{} cannot be led to the new table: {} is partitioned", shown, key.table.display()),
               "before PostgreSQL 18 such a key cannot be added NOT VALID; drop it for the time of the run");
    }
    if (key.referenced_kind == 'p' && before_18 && key.validated) {
        warn(into, foreign_keys_check,
             fmt::format("{} will be validated and checked as before, but its rows in pg_constraint for the partitions "
                         "of {} will say NOT VALID",
                         shown, key.referenced.display()),
             "before PostgreSQL 18 VALIDATE CONSTRAINT leaves them so; only tools that compare catalogs see it");
    }
    if (!key.trigger_states.empty() && !superuser) {
        refuse(into, foreign_keys_check,
               fmt::format("triggers of {} are disabled, which only a superuser can carry over", shown),
               "run as a superuser, or ALTER TABLE … ENABLE TRIGGER ALL, or drop the foreign key");
    }
}

/// Attached again, a partition must have its parent's keys, and have them validated: there is no NOT VALID for it.
void judge_inherited(const subject& what, const catalog::foreign_key& key, findings& into) {
    const std::string shown = fmt::format("foreign key {}, which {} has from {},", display_identifier(key.name),
                                          what.source->name.display(), what.source->parents);
    if (!key.trigger_states.empty()) {
        refuse(into, foreign_keys_check,
               fmt::format("triggers of {} are disabled, which cannot be carried to the new table", shown),
               "ALTER TABLE … ENABLE TRIGGER ALL");
    }
    if (key.validated && key.enforced && what.source->estimated_rows > most_rows_validated) {
        refuse(into, foreign_keys_check,
               fmt::format("{} would be validated under the lock of the swap, and about {} rows are too many for that",
                           shown, what.source->estimated_rows),
               "PostgreSQL attaches a partition only with its parent's foreign keys valid; drop the key for the time "
               "of the run, or have the key on the partitions instead of the parent");
    } else if (key.validated && key.enforced) {
        warn(into, foreign_keys_check,
             fmt::format("{} is validated under the lock of the swap: about {} rows", shown,
                         what.source->estimated_rows));
    }
}

}  // namespace

awaitable<void> check_foreign_keys(const subject& what, findings& into) {
    const auto row = co_await what.conn.query("SELECT rolsuper FROM pg_roles WHERE rolname = current_user");
    const bool superuser = row.boolean(0, 0);
    for (const auto* keys : {&what.source->foreign_keys, &what.source->referenced_by}) {
        for (const auto& key : *keys) {
            judge(what, key, superuser, into);
        }
    }
    for (const auto& key : what.source->ancestors_referenced_by) {
        judge(what, key, false, into);  // each partition has triggers of its own
    }
    for (const auto& key : what.source->inherited_foreign_keys) {
        judge_inherited(what, key, into);
    }
}

}  // namespace pgeist::check
