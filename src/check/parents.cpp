#include <fmt/format.h>

#include "checks.hpp"

namespace pgeist::check {

namespace {

constexpr const char* parents_check = "parents";

// Indexes of the partitioned parent for which the partition has no valid one: attached again, it would get one, built
// under the lock.
constexpr const char* missing_indexes_sql = R"(
    SELECT p.relname, i.indisvalid FROM pg_index i JOIN pg_class p ON p.oid = i.indexrelid
     WHERE i.indrelid = $1 AND NOT EXISTS (
           SELECT FROM pg_inherits h JOIN pg_index l ON l.indexrelid = h.inhrelid
            WHERE h.inhparent = i.indexrelid AND l.indrelid = $2 AND l.indisvalid)
     ORDER BY p.relname COLLATE "C")";

void judge_rights(const subject& what, const catalog::parent& parent, findings& into) {
    const std::string role = quote_identifier(what.conn.user());
    if (!parent.owned) {
        refuse(into, parents_check,
               fmt::format("{} must be {} {} again, and role {} is no member of the owner of {}",
                           what.source->name.display(), parent.partitioned ? "attached to" : "made a child of",
                           parent.name.display(), role, parent.name.display()),
               "connect as a role that is a member of the owners of both tables");
    }
    if (!parent.default_owned) {
        refuse(
            into, parents_check,
            fmt::format("role {} is no member of the owner of {}, the default partition of {}, which must be shown "
                        "to hold no row of {}",
                        role, parent.default_partition.display(), parent.name.display(), what.source->name.display()),
            "connect as a role that is a member of the owners of all partitions");
    }
}

awaitable<void> judge_parent(const subject& what, const catalog::parent& parent, findings& into) {
    judge_rights(what, parent, into);
    if (parent.foreign) {
        refuse(into, parents_check,
               fmt::format("{} inherits from {}, a foreign table, which cannot be locked", what.source->name.display(),
                           parent.name.display()));
    }
    if (parent.detaching) {
        refuse(into, parents_check,
               fmt::format("{} is being detached from {}", what.source->name.display(), parent.name.display()),
               "ALTER TABLE … DETACH PARTITION … FINALIZE ends that");
    }
    if (parent.partitioned) {
        const auto rows = co_await what.conn.query(missing_indexes_sql, parent.oid, what.source->oid);
        for (int row = 0; row < rows.rows(); ++row) {
            refuse(
                into, parents_check,
                fmt::format("index {} of {} has no valid counterpart on {}, which would be built under the lock",
                            display_identifier(rows.view(row, 0)), parent.name.display(), what.source->name.display()),
                "make the index on the partition with CREATE INDEX CONCURRENTLY, and ALTER INDEX … ATTACH PARTITION");
        }
    }
    warn(into, parents_check,
         fmt::format("{}, which {} {}, is locked too (ACCESS EXCLUSIVE) for the moment of the swap: queries through it "
                     "wait, to whatever partition or child they go",
                     parent.name.display(), what.source->name.display(),
                     parent.partitioned ? "is a partition of" : "inherits from"));
}

}  // namespace

awaitable<void> check_parents(const subject& what, findings& into) {
    const auto& source = *what.source;
    for (const auto& each : source.inherits) {
        co_await judge_parent(what, each, into);
    }
    for (const auto& each : source.constraints) {
        if (each.type == 'c' && each.inherited > 0 && each.enforced && !each.validated) {
            refuse(into, parents_check,
                   fmt::format("constraint {}, which {} has from {}, is NOT VALID, and no table with such a one can be "
                               "attached or made to inherit",
                               display_identifier(each.name), source.name.display(), source.parents),
                   "ALTER TABLE … VALIDATE CONSTRAINT first");
        }
    }
    for (const auto& key : source.ancestors_referenced_by) {
        const bool own = key.table_oid == source.oid;
        bool family = own;
        for (const auto& each : source.inherits) {
            family = family || key.table_oid == each.oid || key.table_oid == key.referenced_oid;
        }
        if (family) {
            refuse(into, parents_check,
                   fmt::format("foreign key {} leads from {} to its own family of tables, {}, which is not carried to "
                               "the new table yet",
                               display_identifier(key.name), key.table.display(), key.referenced.display()),
                   "drop it for the time of the run");
        }
    }
}

}  // namespace pgeist::check
