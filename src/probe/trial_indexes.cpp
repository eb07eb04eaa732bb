#include <fmt/format.h>

#include "trial_parts.hpp"
#include "trial_text.hpp"

namespace pgeist::probe {

namespace {

// `plain`: unique over columns of all rows, so that foreign keys can refer to it.
constexpr const char* indexes_sql = R"(
    SELECT i.indrelid, n.nspname, c.relname, c.relkind = 'I' AS partitioned, pg_get_indexdef(c.oid) AS definition,
           i.indisvalid, i.indisclustered, i.indisreplident, coalesce(s.spcname, '') AS tablespace,
           i.indisunique AND i.indpred IS NULL AND i.indexprs IS NULL AND i.indisvalid AS plain,
           k.conname, pg_get_constraintdef(k.oid) AS constraint_definition,
           pn.nspname AS parent_schema, p.relname AS parent_name
      FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
      LEFT JOIN pg_constraint k ON k.conindid = c.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
      LEFT JOIN pg_inherits h ON h.inhrelid = c.oid LEFT JOIN pg_class p ON p.oid = h.inhparent
      LEFT JOIN pg_namespace pn ON pn.oid = p.relnamespace
     WHERE i.indrelid = ANY($1::oid[]) ORDER BY c.oid)";

/// The name stands behind INDEX.
std::string with_index_name(const std::string& definition, const std::string& name) {
    const std::vector<token> all = tokens_of(definition);
    for (std::size_t at = 0; at + 1 < all.size(); ++at) {
        if (all[at].kind == token_kind::word && all[at].value == "index") {
            return definition.substr(0, all[at + 1].begin) + quote_identifier(name) +
                   definition.substr(all[at + 1].end);
        }
    }
    return definition;
}

std::string index_sql(const stage& at, const pg::result& rows, int row, const std::string& table,
                      const std::string& name) {
    std::string text;
    if (rows.optional_text(row, "conname")) {
        text = fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {};", table, quote_identifier(name),
                           at.names.lead_over(rows.text(row, "constraint_definition")));
    } else {
        text = with_index_name(at.names.lead_over(rows.text(row, "definition")), name) + ";";
    }
    if (at.with_tablespaces && !rows.text(row, "tablespace").empty()) {
        text += fmt::format("ALTER INDEX {} SET TABLESPACE {};", in_temp(name),
                            quote_identifier(rows.text(row, "tablespace")));
    }
    if (rows.boolean(row, "indisclustered")) {
        text += fmt::format("ALTER TABLE {} CLUSTER ON {};", table, quote_identifier(name));
    }
    if (rows.boolean(row, "indisreplident")) {
        text += fmt::format("ALTER TABLE {} REPLICA IDENTITY USING INDEX {};", table, quote_identifier(name));
    }
    return text;
}

std::vector<std::int64_t> all_oids(const stage& at) {
    std::vector<std::int64_t> oids;
    for (const real_relation& each : at.relations) {
        oids.push_back(each.oid);
    }
    return oids;
}

}  // namespace

awaitable<void> add_indexes(stage& at, scripts& into, scripts& late) {
    const std::string oids = oid_array(all_oids(at));
    const auto rows = co_await at.session.query(indexes_sql, oids);
    std::set<std::string> unfinished;  // partitioned indexes that some partition lacks
    for (int row = 0; row < rows.rows(); ++row) {
        const auto oid = rows.integer(row, "indrelid");
        const real_relation& of = *at.find(oid);
        if (of.wanted == extent::outline && !rows.boolean(row, "plain")) {
            continue;
        }
        const std::string name = at.names.add({rows.text(row, "nspname"), rows.text(row, "relname")});
        const std::string sql = index_sql(at, rows, row, in_temp(of.trial_name), name);
        const bool valid = rows.boolean(row, "indisvalid");
        if (!valid && rows.boolean(row, "partitioned")) {
            unfinished.insert(name);
            late[oid] += sql;  // ON ONLY: with partitions there it is not valid
            continue;
        }
        into[oid] += sql;
        if (!valid) {
            at.invalid_indexes.insert(name);
        }
    }
    for (int row = 0; row < rows.rows(); ++row) {
        const auto parent = at.names.find(rows.text(row, "parent_schema"), rows.text(row, "parent_name"));
        const auto name = at.names.find(rows.text(row, "nspname"), rows.text(row, "relname"));
        if (parent && name && unfinished.count(*parent) != 0) {
            late[rows.integer(row, "indrelid")] +=
                fmt::format("ALTER INDEX {} ATTACH PARTITION {};", in_temp(*parent), in_temp(*name));
        }
    }
}

namespace {

constexpr const char* foreign_keys_sql = R"(
    SELECT conrelid, confrelid, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
     WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY($1::oid[]) AND confrelid = ANY($1::oid[]) ORDER BY oid)";

constexpr const char* statistics_sql = R"(
    SELECT s.stxrelid, n.nspname, s.stxname, pg_get_statisticsobjdef(s.oid) AS definition
      FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
     WHERE s.stxrelid = ANY($1::oid[]) ORDER BY s.oid)";

constexpr const char* triggers_sql = R"(
    SELECT t.tgrelid, t.tgname, t.tgtype, t.tgconstraint <> 0 AS is_constraint, t.tgdeferrable, t.tginitdeferred,
           t.tgqual IS NOT NULL AS has_condition, t.tgoldtable, t.tgnewtable,
           ARRAY(SELECT quote_ident(a.attname) FROM unnest(string_to_array(t.tgattr::text, ' ')::int2[]) AS k(attnum)
                   JOIN pg_attribute a ON a.attrelid = t.tgrelid AND a.attnum = k.attnum) AS of_columns,
           ARRAY(SELECT quote_ident(a.attname) FROM pg_depend d
                   JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
                  WHERE d.classid = 'pg_trigger'::regclass AND d.objid = t.oid AND d.refclassid = 'pg_class'::regclass
                    AND d.refobjid = t.tgrelid AND d.refobjsubid > 0) AS uses
      FROM pg_trigger t WHERE t.tgrelid = ANY($1::oid[]) AND NOT t.tgisinternal AND t.tgparentid = 0 ORDER BY t.oid)";

// The bits of pg_trigger.tgtype.
constexpr int for_row = 1;
constexpr int is_before = 2;
constexpr int on_insert = 4;
constexpr int on_delete = 8;
constexpr int on_update = 16;
constexpr int on_truncate = 32;

std::string events_of(const pg::result& rows, int row, std::int64_t type) {
    std::vector<std::string> events;
    if ((type & on_insert) != 0) {
        events.emplace_back("INSERT");
    }
    if ((type & on_delete) != 0) {
        events.emplace_back("DELETE");
    }
    if ((type & on_update) != 0) {
        const auto columns = rows.array(row, "of_columns");
        events.push_back(columns.empty() ? "UPDATE" : "UPDATE OF " + join(columns, ", "));
    }
    if ((type & on_truncate) != 0) {
        events.emplace_back("TRUNCATE");
    }
    return join(events, " OR ");
}

std::string tail_of(const pg::result& rows, int row, std::int64_t type) {
    std::string text;
    if (rows.boolean(row, "is_constraint") && rows.boolean(row, "tgdeferrable")) {
        text += rows.boolean(row, "tginitdeferred") ? " DEFERRABLE INITIALLY DEFERRED" : " DEFERRABLE";
    }
    const auto before = rows.optional_text(row, "tgoldtable");
    const auto after = rows.optional_text(row, "tgnewtable");
    if (before || after) {
        text += " REFERENCING" + (before ? " OLD TABLE AS " + quote_identifier(*before) : std::string()) +
                (after ? " NEW TABLE AS " + quote_identifier(*after) : std::string());
    }
    text += (type & for_row) != 0 ? " FOR EACH ROW" : " FOR EACH STATEMENT";
    const auto uses = rows.array(row, "uses");
    if (rows.boolean(row, "has_condition") && (type & for_row) != 0 && !uses.empty()) {
        const char* side = (type & on_delete) != 0 ? "OLD" : "NEW";
        std::vector<std::string> conditions;
        for (const auto& column : uses) {
            conditions.push_back(fmt::format("{}.{} IS NULL", side, column));
        }
        text += fmt::format(" WHEN ({})", join(conditions, " AND "));
    }
    return text;
}

}  // namespace

awaitable<void> add_foreign_keys(stage& at, scripts& into) {
    const std::string oids = oid_array(all_oids(at));
    const auto rows = co_await at.session.query(foreign_keys_sql, oids);
    for (int row = 0; row < rows.rows(); ++row) {
        const real_relation& from = *at.find(rows.integer(row, "conrelid"));
        const real_relation& to = *at.find(rows.integer(row, "confrelid"));
        if (from.wanted == extent::outline && to.wanted == extent::outline && !at.cascades) {
            continue;
        }
        into[from.oid] +=
            fmt::format("ALTER TABLE {} ADD CONSTRAINT {} {};", in_temp(from.trial_name),
                        quote_identifier(rows.text(row, "conname")), at.names.lead_over(rows.text(row, "definition")));
    }
}

awaitable<void> add_statistics(stage& at, scripts& into) {
    const std::string oids = oid_array(whole_ones(at));
    const auto rows = co_await at.session.query(statistics_sql, oids);
    for (int row = 0; row < rows.rows(); ++row) {
        at.names.add({rows.text(row, "nspname"), rows.text(row, "stxname")});
        into[rows.integer(row, "stxrelid")] += at.names.lead_over(rows.text(row, "definition")) + ";";
    }
}

// The function is never called: it is one that everybody may name, and that any trigger may have.
awaitable<void> add_triggers(stage& at, scripts& into) {
    const std::string oids = oid_array(whole_ones(at));
    const auto rows = co_await at.session.query(triggers_sql, oids);
    for (int row = 0; row < rows.rows(); ++row) {
        const auto oid = rows.integer(row, "tgrelid");
        const auto type = rows.integer(row, "tgtype");
        if ((type & on_truncate) != 0 && !at.with_truncate_triggers) {
            continue;
        }
        into[oid] += fmt::format(
            "CREATE {}TRIGGER {} {} {} ON {}{} EXECUTE FUNCTION "
            "pg_catalog.suppress_redundant_updates_trigger();",
            rows.boolean(row, "is_constraint") ? "CONSTRAINT " : "", quote_identifier(rows.text(row, "tgname")),
            (type & is_before) != 0 ? "BEFORE" : "AFTER", events_of(rows, row, type), in_temp(at.find(oid)->trial_name),
            tail_of(rows, row, type));
    }
}

}  // namespace pgeist::probe
