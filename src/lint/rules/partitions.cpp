// Partitions that come and go.

#include <fmt/format.h>

#include "../rule.hpp"

namespace pgeist::lint {

namespace {

using ddl::clause_kind;

void detach(const subject& on, reporter& to) {
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        if (each.kind == clause_kind::detach_partition && !each.concurrently &&
            !on.blocking(on.of_clause(at)).empty()) {
            to.add("require-concurrent-partition-detach", level::warning,
                   fmt::format("DETACH PARTITION locks {}{}", joined({on.relation(), on.before.name_of(each.partner)}),
                               on.waiting(on.of_clause(at))),
                   {normalised(on.what.text) +
                    " CONCURRENTLY; -- outside of a transaction, and not with a DEFAULT partition"});
        }
    }
}

void attach(const subject& on, reporter& to) {
    for (std::size_t at = 0; at < on.what.clauses.size(); ++at) {
        const ddl::clause& each = on.what.clauses[at];
        const bool partition = on.what.object == ddl::object_kind::table && each.kind == clause_kind::attach_partition;
        if (!partition || !on.scans(on.of_clause(at)) || !on.scans(on.does)) {
            continue;
        }
        const std::string name = on.before.name_of(each.partner);
        to.add("attaching-partition", on.block_level(on.of_clause(at)),
               fmt::format("{} is read to see whether its rows fit{}", joined(on.of_clause(at).scans),
                           on.waiting(on.of_clause(at))),
               {fmt::format(
                    "ALTER TABLE {} ADD CONSTRAINT fits CHECK (…the partition's bounds, and IS NOT NULL…) NOT VALID;",
                    name),
                fmt::format("ALTER TABLE {} VALIDATE CONSTRAINT fits; -- in a transaction of its own", name),
                normalised(on.what.text) + ";", fmt::format("ALTER TABLE {} DROP CONSTRAINT fits;", name)});
    }
}

void created(const subject& on, reporter& to) {
    if (on.what.kind != ddl::statement_kind::create_table || on.what.partition_of.name.empty()) {
        return;
    }
    const std::string parent = on.before.name_of(on.what.partition_of);
    if (on.blocking(on.does).empty()) {
        return;
    }
    const level scan = on.block_level(on.does);
    to.add("creating-partition", scan == level::error ? scan : level::warning,
           fmt::format("CREATE TABLE … PARTITION OF locks {}{}{}", parent, on.waiting(on.does),
                       on.scans(on.does) ? fmt::format("; {} is read", joined(on.does.scans)) : ""),
           {fmt::format("CREATE TABLE {} (LIKE {} INCLUDING DEFAULTS INCLUDING CONSTRAINTS);", on.relation(), parent),
            fmt::format("ALTER TABLE {} ATTACH PARTITION {} …; -- SHARE UPDATE EXCLUSIVE on the parent", parent,
                        on.relation())});
}

}  // namespace

const std::vector<rule>& partition_rules() {
    static const std::vector<rule> rules{
        {{"require-concurrent-partition-detach", level::warning,
          "DETACH PARTITION without CONCURRENTLY locks the whole partitioned table.",
          "It takes ACCESS EXCLUSIVE on the parent and on the partition: short, but it waits for every query on any "
          "partition, and all "
          "others wait behind it.",
          "DETACH PARTITION … CONCURRENTLY (14), outside of a transaction. It is refused where there is a DEFAULT "
          "partition."},
         detach},
        {{"attaching-partition", level::error,
          "ATTACH PARTITION reads the table that is attached, and the DEFAULT partition.",
          "The table that is attached and the DEFAULT partition are locked in ACCESS EXCLUSIVE and read, unless a "
          "valid constraint implies "
          "that their rows fit.",
          "A CHECK with the partition's bounds, NOT VALID, then VALIDATE; ATTACH; DROP the CHECK. For a DEFAULT "
          "partition a CHECK that "
          "excludes the new bounds."},
         attach},
        {{"creating-partition", level::warning, "CREATE TABLE … PARTITION OF takes ACCESS EXCLUSIVE on the parent.",
          "Everybody who reads or writes any partition through the parent waits. Where there is a DEFAULT partition, "
          "it is read under that "
          "lock.",
          "CREATE TABLE … (LIKE parent), then ATTACH PARTITION, which takes SHARE UPDATE EXCLUSIVE on the parent."},
         created},
    };
    return rules;
}

}  // namespace pgeist::lint
