#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "planning.hpp"

namespace pgeist::expand {

namespace {

constexpr const char* replaced_sql = R"(
    SELECT EXISTS (SELECT FROM pg_partition_ancestors($1::bigint::oid::regclass) AS p (relid) JOIN pg_partitioned_table k ON k.partrelid = p.relid
                    JOIN pg_attribute b ON b.attrelid = p.relid AND b.attnum = ANY (k.partattrs::int2[]) WHERE b.attname = $2)
           OR EXISTS (SELECT FROM pg_partitioned_table k WHERE k.partrelid = a.attrelid AND a.attnum = ANY (k.partattrs::int2[])) AS in_partition_key,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisprimary AND a.attnum = ANY (i.indkey::int2[])) AS in_primary_key,
           EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisreplident AND a.attnum = ANY (i.indkey::int2[])) AS in_identity,
           a.attinhcount > 0 AS inherited,
           (SELECT string_agg(DISTINCT replace(pg_describe_object(d.classid, d.objid, d.objsubid), 'rule _RETURN on ', ''), ', ') FROM pg_depend d
             WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype = 'n'
               AND NOT EXISTS (SELECT FROM pg_constraint k WHERE d.classid = 'pg_constraint'::regclass AND k.oid = d.objid
                                  AND k.conrelid = a.attrelid)) AS dependents,
           (SELECT string_agg(quote_ident(t.tgname), ', ') FROM pg_trigger t WHERE t.tgrelid = a.attrelid AND NOT t.tgisinternal
               AND a.attnum = ANY (string_to_array(t.tgattr::text, ' ')::int2[])) AS triggers
      FROM pg_attribute a WHERE a.attrelid = $1::bigint::oid AND a.attname = $2)";

constexpr const char* standing_sql = R"(
    SELECT pg_has_role(c.relowner, 'USAGE') AS owns, quote_ident(current_user) AS role, row_security_active(c.oid) AS rows_hidden,
           EXISTS (SELECT FROM pg_inherits WHERE inhrelid = c.oid) AS is_child, c.relispartition AS is_partition,
           EXISTS (SELECT FROM pg_inherits WHERE inhparent = c.oid) AS has_children
      FROM pg_class c WHERE c.oid = $1::bigint::oid)";

}  // namespace

void refuse(std::string what, std::string hint) { throw error(exit_code::refused, std::move(what), std::move(hint)); }

awaitable<void> check_table(workshop& with) {
    const catalog::table& source = with.source;
    const std::string shown = source.name.display();
    const pg::result row = co_await with.at.conn.query(standing_sql, source.oid);
    if (!row.boolean(0, "owns")) {
        refuse(fmt::format("{} belongs to {}, and role {} is no member of it", shown, quote_identifier(source.owner),
                           row.text(0, "role")),
               "connect as the owner");
    }
    if (row.boolean(0, "is_child")) {
        const bool partition = row.boolean(0, "is_partition");
        refuse(fmt::format("{} {}", shown, partition ? "is a partition" : "inherits from another table"),
               partition ? "expand its parent" : "change it with pgeist run --alter");
    }
    if (row.boolean(0, "has_children") && source.kind != 'p') {
        refuse(fmt::format("other tables inherit from {}", shown),
               "a table with inheritance children cannot be expanded");
    }
    if (!source.pgeist_triggers.empty()) {
        const std::string job = source.pgeist_triggers.front().substr(std::string("pgeist_").size());
        refuse(fmt::format("{} has triggers of job {}", shown, job),
               fmt::format("end that first: pgeist status {0}, then pgeist contract {0} or pgeist cleanup {0}", job));
    }
    if (source.of_type != 0 || !source.extension.empty()) {
        refuse(fmt::format("{} is a typed table or belongs to an extension", shown));
    }
}

namespace {

void refuse_generated(const workshop& with) {
    for (const group& one : with.made.plan.groups) {
        for (const column& each : one.olds) {
            if (with.source.find_column(each.name)->generated != 0) {
                refuse(
                    fmt::format("column {} is generated: a trigger does not know its value before the row is written",
                                display_identifier(each.name)),
                    "write in --up what it is generated from");
            }
        }
    }
}

constexpr const char* publications_sql = R"(
    SELECT DISTINCT t.pubname AS name FROM pg_publication_tables t
      JOIN pg_namespace n ON n.nspname = t.schemaname JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
     WHERE c.oid = $1::bigint::oid OR c.oid IN (SELECT relid FROM pg_partition_tree($1::bigint::oid::regclass)) ORDER BY 1)";

awaitable<void> warn_of_publications(workshop& with) {
    std::set<std::string> with_list;
    for (const auto& each : with.source.publications) {
        if (!each.columns.empty() && !each.excludes) {
            with_list.insert(each.name);
            with.made.warnings.push_back(
                fmt::format("publication {} has a list of columns: the new ones are not published until they are added "
                            "to it",
                            display_identifier(each.name)));
        }
    }
    const pg::result all = co_await with.at.conn.query(publications_sql, with.source.oid);
    for (int row = 0; row < all.rows(); ++row) {
        if (with_list.count(all.text(row, 0)) == 0) {
            with.made.warnings.push_back(fmt::format(
                "publication {} publishes the new columns, too: subscribers need them before they get the next "
                "change",
                display_identifier(all.text(row, 0))));
        }
    }
}

}  // namespace

awaitable<void> check_replaced(workshop& with) {
    refuse_generated(with);
    for (const std::string& name : with.made.plan.replaced) {
        const std::string shown = display_identifier(name);
        const auto* column = with.source.find_column(name);
        if (column->generated != 0 || column->identity != 0) {
            refuse(fmt::format("column {} is {}", shown, column->generated != 0 ? "generated" : "an identity"),
                   "its value comes from elsewhere: give an --up only, or change it with pgeist run");
        }
        const pg::result row = co_await with.at.conn.query(replaced_sql, with.source.oid, name);
        const std::pair<const char*, const char*> parts[] = {{"in_partition_key", "a partition key"},
                                                             {"in_primary_key", "the primary key"},
                                                             {"in_identity", "the replica identity"}};
        for (const auto& [field, what] : parts) {
            if (row.boolean(0, field)) {
                refuse(fmt::format("column {} is part of {} of {}", shown, what, with.source.name.display()),
                       "what stands for the whole row cannot be there twice; change it with pgeist run --alter");
            }
        }
        if (row.boolean(0, "inherited")) {
            refuse(fmt::format("column {} is inherited", shown), "expand the parent");
        }
        if (const auto dependents = row.optional_text(0, "dependents")) {
            with.made.warnings.push_back(
                fmt::format("these use column {}, and must be changed before pgeist contract: {}", shown, *dependents));
        }
        if (const auto triggers = row.optional_text(0, "triggers")) {
            with.made.warnings.push_back(
                fmt::format("triggers for updates of column {} do not fire when only the new columns are written: {}",
                            shown, *triggers));
        }
    }
    co_await warn_of_publications(with);
}

}  // namespace pgeist::expand
