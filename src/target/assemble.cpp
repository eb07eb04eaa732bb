#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "binding.hpp"
#include "pgeist/catalog/definition.hpp"
#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/index.hpp"
#include "pgeist/sql/inheriting_table.hpp"
#include "pgeist/sql/policy.hpp"
#include "pgeist/sql/rights.hpp"
#include "pgeist/sql/rule.hpp"
#include "pgeist/sql/statistics.hpp"
#include "pgeist/sql/table.hpp"
#include "pgeist/sql/trigger.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

constexpr const char* foreign_grantees_sql = R"(
    SELECT DISTINCT CASE WHEN x.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(x.grantee)) END
      FROM pg_namespace n CROSS JOIN LATERAL aclexplode(n.nspacl) AS x
     WHERE n.nspname = $1 AND x.grantee <> n.nspowner)";

/// The schemas are nobody's business but pgeist's and the table owner's, whatever default privileges say.
awaitable<void> create_schema(build_context& at, std::string name) {
    const std::string quoted = quote_identifier(name);
    co_await at.conn.execute("CREATE SCHEMA " + quoted);
    const auto grantees = co_await at.conn.query(foreign_grantees_sql, name);
    for (int row = 0; row < grantees.rows(); ++row) {
        co_await at.conn.execute(fmt::format("REVOKE ALL ON SCHEMA {} FROM {}", quoted, grantees.view(row, 0)));
    }
    // PostgreSQL lets a table be given only to somebody who could have made it there.
    co_await at.conn.execute(
        fmt::format("GRANT USAGE, CREATE ON SCHEMA {} TO {}", quoted, quote_identifier(at.source.owner)));
}

/// The roles other than the owner that have granted rights. They grant them again, and must see the shadow for that.
std::set<std::string> other_grantors(const catalog::table& of) {
    std::set<std::string> roles;
    const auto add = [&](const catalog::access_list& list) {
        for (const auto& each : list.grants) {
            roles.insert(each.grantor);
        }
    };
    add(of.acl);
    add(of.type_acl);
    for (const auto& column : of.columns) {
        add(column.acl);
    }
    for (const auto& sequence : of.sequences) {
        add(sequence.acl);
    }
    roles.erase(of.owner);
    return roles;
}

awaitable<void> correct_rights(build_context& at, const catalog::table& made) {
    const std::string table = "TABLE " + at.shadow.sql();
    const auto role = co_await at.conn.query("SELECT current_user::text");
    std::set<std::string> grantors = other_grantors(at.source);
    grantors.erase(role.text(0, 0));  // the schema is its own
    statements all;
    for (const auto& grantor : grantors) {
        all.push_back({"rights", fmt::format("GRANT USAGE ON SCHEMA {} TO {}", quote_identifier(at.job_schema),
                                             quote_identifier(grantor))});
    }
    const auto add = [&](statements more) { all.insert(all.end(), more.begin(), more.end()); };
    add(change_rights(table, "", at.source.acl, made.acl, at.source.owner, false));
    add(change_rights("TYPE " + at.shadow.sql(), "", at.source.type_acl, made.type_acl, at.source.owner, true));
    for (const auto& column : at.source.columns) {
        const auto* own = made.find_column(column.name);
        if (own != nullptr) {
            add(change_rights(table, column.name, column.acl, own->acl, at.source.owner, false));
        }
    }
    for (const auto& wanted : at.source.sequences) {
        for (const auto& own : made.sequences) {
            if (wanted.identity && own.name.name == wanted.name.name) {
                add(change_rights("SEQUENCE " + own.name.sql(), "", wanted.acl, own.acl, at.source.owner, true));
            }
        }
    }
    for (const auto& grantor : grantors) {
        all.push_back({"rights", fmt::format("REVOKE USAGE ON SCHEMA {} FROM {}", quote_identifier(at.job_schema),
                                             quote_identifier(grantor))});
    }
    co_await run_statements(at, std::move(all));
}

/// Those first that belong to a parent's index: of several that are equal, the oldest one is attached.
statements index_statements(const build_context& at) {
    std::vector<const catalog::index*> indexes = in_binding_order(at.source);
    std::stable_partition(indexes.begin(), indexes.end(), [](const auto* each) { return !each->parent_index.empty(); });
    statements all;
    for (const auto* each : indexes) {
        if (!each->valid) {
            continue;
        }
        plan::index made = rebuild_index(at.source, *each, at.shadow);
        if (!made.create_sql.empty()) {
            all.push_back({"index " + display_identifier(each->name), made.create_sql});
        }
        all.insert(all.end(), made.after.begin(), made.after.end());
    }
    if (at.source.replica_identity == 'f' || at.source.replica_identity == 'n') {
        all.push_back({"replica identity", fmt::format("ALTER TABLE {} REPLICA IDENTITY {}", at.shadow.sql(),
                                                       at.source.replica_identity == 'f' ? "FULL" : "NOTHING")});
    }
    return all;
}

void note_invalid_indexes(build_context& at) {
    for (const auto& each : at.source.indexes) {
        if (!each.valid) {
            at.warnings.push_back(
                fmt::format("index {} is invalid (left by a failed CREATE INDEX CONCURRENTLY?) and is not "
                            "carried to the new table",
                            display_identifier(each.name)));
        }
    }
}

/// Columns of the fresh shadow stand in the source's order, without the gaps of dropped ones.
void note_columns(build_context& at, const catalog::table& made) {
    if (made.columns.size() != at.source.columns.size()) {
        throw error(exit_code::refused,
                    fmt::format("a copy of {} comes out with {} columns instead of {}", at.source.name.display(),
                                made.columns.size(), at.source.columns.size()),
                    suspects(at));
    }
    for (std::size_t place = 0; place < made.columns.size(); ++place) {
        const auto& from = at.source.columns.at(place);
        const int attnum = made.columns[place].attnum;
        column_value value;
        if (from.generated == 0) {
            value.expression = quote_identifier(from.name);
            value.reads.insert(from.name);
            value.type = from.type;
            value.plain = true;
        }
        at.values[attnum] = std::move(value);
        at.source_attnums[attnum] = from.attnum;
    }
    for (const auto& each : made.sequences) {
        if (each.identity) {
            at.identity_sequences.insert(each.oid);
        }
    }
}

}  // namespace

awaitable<void> assemble(build_context& at) {
    co_await create_schema(at, at.job_schema);
    co_await create_schema(at, at.passage_schema);
    statements first{create_table(at.source, at.shadow)};
    if (at.source.inherits_columns()) {
        first = create_inheriting(at.source, column_parent_of(at), at.shadow);
    }
    auto with_types = co_await with_array_type(at, std::move(first), at.shadow, at.source.array_type);
    co_await run_statements(at, std::move(with_types));
    at.shadow_oid = co_await table_oid(at.conn, at.shadow);

    const auto bare = co_await catalog::read_shape(at.conn, at.shadow_oid);
    statements all = declared_dimensions(at.source, at.shadow);
    const auto add = [&](statements more) { all.insert(all.end(), more.begin(), more.end()); };
    add(at.source.inherits_columns() ? inheriting_details(at.source, bare, at.shadow)
                                     : constraint_corrections(at.source, bare, at.shadow));
    for (const auto& sequence : at.source.sequences) {
        if (sequence.identity) {
            add(add_identity(at.source, sequence, at.shadow));
        }
    }
    add(column_details(at.source, at.shadow));
    if (bare.owner != at.source.owner) {
        all.push_back(
            {"owner", fmt::format("ALTER TABLE {} OWNER TO {}", at.shadow.sql(), quote_identifier(at.source.owner))});
    }
    add(index_statements(at));
    for (const auto& each : at.source.triggers) {
        add(create_trigger(at.source, each, at.shadow));
    }
    for (const auto& each : at.source.policies) {
        add(create_policy(at.source, each, at.shadow));
    }
    add(row_security(at.source, at.shadow));
    add(security_labels(at.source, at.shadow));
    for (const auto& each : at.source.rules) {
        add(create_rule(at.source, each, at.shadow));
    }
    for (const auto& each : at.source.extended_statistics) {
        add(create_statistics(at.source, each, at.shadow));
    }
    co_await run_statements(at, std::move(all));
    note_invalid_indexes(at);

    const auto made = co_await catalog::read_table(at.conn, at.shadow_oid);
    note_columns(at, made);
    co_await correct_rights(at, made);
}

void require_same_definition(const build_context& at, const catalog::table& found) {
    catalog::table wanted = at.source;
    if (!found.has_toast_table) {
        wanted.toast_options.clear();  // of a TOAST table that a dropped column has left
    }
    const auto wanted_properties = catalog::definition(wanted);
    const auto found_properties = catalog::definition(found);
    std::vector<std::string> differences = catalog::missing_properties(wanted_properties, found_properties);
    for (const auto& line : catalog::missing_properties(found_properties, wanted_properties)) {
        // The owner's own rights are taken away only when the table is complete.
        const bool owners_right = line.rfind("rights on", 0) == 0 &&
                                  line.find(" for " + display_identifier(at.source.owner)) != std::string::npos;
        if (!owners_right && differences.empty()) {
            differences.push_back(line);
        }
    }
    if (!differences.empty()) {
        const std::string who = suspects(at);
        throw error(exit_code::refused,
                    fmt::format("{} has something that cannot be rebuilt on a copy: {}", at.source.name.display(),
                                join(differences, "; ")),
                    !who.empty() ? who : "pgeist changes a table only when it can carry all of it; please report this");
    }
}

}  // namespace pgeist::target
