#include <fmt/format.h>

#include "trial_parts.hpp"

namespace pgeist::probe {

namespace {

constexpr int first_with_named_not_null = 18;

constexpr const char* columns_sql = R"(
    SELECT a.attrelid, a.attname, format_type(a.atttypid, a.atttypmod) AS type,
           CASE WHEN a.attcollation <> t.typcollation
                THEN quote_ident(n.nspname) || '.' || quote_ident(c.collname) ELSE '' END AS collation,
           a.attnotnull, a.attislocal, a.attgenerated::text AS generated,
           pg_get_expr(d.adbin, CASE WHEN a.attgenerated <> '' THEN d.adrelid ELSE 0 END) AS expression
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
      LEFT JOIN pg_collation c ON c.oid = a.attcollation LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
      LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
     WHERE a.attrelid = ANY($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attrelid, a.attnum)";

constexpr const char* sequences_sql = R"(
    SELECT d.refobjid AS table_oid, a.attname, n.nspname, c.relname, d.deptype = 'i' AS identity, a.attidentity::text AS kind,
           format_type(s.seqtypid, NULL) AS type
      FROM pg_depend d JOIN pg_class c ON c.oid = d.objid AND c.relkind = 'S' JOIN pg_namespace n ON n.oid = c.relnamespace
      JOIN pg_sequence s ON s.seqrelid = c.oid
      JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
     WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY($1::oid[])
       AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i') ORDER BY c.oid)";

constexpr const char* lone_sequences_sql = R"(
    SELECT n.nspname, c.relname, format_type(s.seqtypid, NULL) AS type
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_sequence s ON s.seqrelid = c.oid
     WHERE c.oid = ANY($1::oid[]) ORDER BY c.oid)";

constexpr const char* checks_sql = R"(
    SELECT conrelid, conname, conislocal, contype = 'n' AND coninhcount > 0 AS merged, pg_get_constraintdef(oid) AS definition
      FROM pg_constraint WHERE conrelid = ANY($1::oid[]) AND contype IN ('c', 'n') ORDER BY oid)";

constexpr const char* merged_not_nulls_sql = R"(
    SELECT conrelid, conname, pg_get_constraintdef(oid) AS definition FROM pg_constraint
     WHERE conrelid = ANY($1::oid[]) AND contype = 'n' AND conislocal AND coninhcount > 0 ORDER BY oid)";

/// Inherits in the old way: what its parents hand down is not stated again.
bool inherits_columns(const real_relation& of) { return !of.is_partition && !of.parents.empty(); }

std::string constraint_sql(const stage& at, const pg::result& rows, int row) {
    return fmt::format("CONSTRAINT {} {}", quote_identifier(rows.text(row, "conname")),
                       at.names.lead_over(rows.text(row, "definition")));
}

std::string column_sql(const stage& at, const pg::result& rows, int row, bool whole) {
    std::string text =
        fmt::format("{} {}", quote_identifier(rows.text(row, "attname")), at.names.lead_over(rows.text(row, "type")));
    if (!rows.text(row, "collation").empty()) {
        text += " COLLATE " + rows.text(row, "collation");
    }
    const auto expression = rows.optional_text(row, "expression");
    const std::string generated = rows.text(row, "generated");
    if (whole && expression) {
        const std::string value = at.names.lead_over(*expression);
        text += generated.empty()
                    ? fmt::format(" DEFAULT {}", value)
                    : fmt::format(" GENERATED ALWAYS AS ({}) {}", value, generated == "v" ? "VIRTUAL" : "STORED");
    }
    if (rows.boolean(row, "attnotnull") && at.session.server_major() < first_with_named_not_null) {
        text += " NOT NULL";
    }
    return text;
}

std::string table_sql(const stage& at, const real_relation& of, const std::vector<std::string>& columns) {
    std::string text = fmt::format("CREATE TABLE {} ({})", in_temp(of.trial_name), join(columns, ", "));
    if (inherits_columns(of)) {
        std::vector<std::string> parents;
        for (const auto oid : of.parents) {
            parents.push_back(in_temp(at.find(oid)->trial_name));
        }
        text += fmt::format(" INHERITS ({})", join(parents, ", "));
    }
    if (!of.partition_key.empty()) {
        text += " PARTITION BY " + at.names.lead_over(of.partition_key);
    }
    if (!of.access_method.empty() && of.access_method != "heap") {
        text += " USING " + quote_identifier(of.access_method);
    }
    if (at.with_tablespaces && !of.tablespace.empty()) {
        text += " TABLESPACE " + quote_identifier(of.tablespace);
    }
    text += ";";
    if (of.wanted == extent::whole && !of.of_type.empty()) {
        text += fmt::format("ALTER TABLE {} OF {};", in_temp(of.trial_name), at.names.lead_over(of.of_type));
    }
    return text;
}

std::string marks_sql(const real_relation& of) {
    std::string text;
    const std::string table = in_temp(of.trial_name);
    if (of.row_security) {
        text += fmt::format("ALTER TABLE {} ENABLE ROW LEVEL SECURITY;", table);
    }
    if (of.force_row_security) {
        text += fmt::format("ALTER TABLE {} FORCE ROW LEVEL SECURITY;", table);
    }
    if (of.replica_identity == 'f' || of.replica_identity == 'n') {
        text +=
            fmt::format("ALTER TABLE {} REPLICA IDENTITY {};", table, of.replica_identity == 'f' ? "FULL" : "NOTHING");
    }
    return text;
}

/// A column has one NOT NULL: its own name beside what parents hand down is given with the table, or never.
awaitable<void> add_merged_not_nulls(stage& at, std::map<std::int64_t, std::vector<std::string>>& columns) {
    const std::string whole = oid_array(whole_ones(at));
    const auto rows = co_await at.session.query(merged_not_nulls_sql, whole);
    for (int row = 0; row < rows.rows(); ++row) {
        const auto oid = rows.integer(row, "conrelid");
        if (inherits_columns(*at.find(oid))) {
            columns[oid].push_back(constraint_sql(at, rows, row));
        }
    }
}

}  // namespace

awaitable<void> add_sequences(stage& at, scripts& before, scripts& after) {
    const std::string oids = oid_array(whole_ones(at));
    const auto rows = co_await at.session.query(sequences_sql, oids);
    for (int row = 0; row < rows.rows(); ++row) {
        const auto oid = rows.integer(row, "table_oid");
        const std::string table = in_temp(at.find(oid)->trial_name);
        const std::string name = in_temp(at.names.add({rows.text(row, "nspname"), rows.text(row, "relname")}));
        const std::string column = quote_identifier(rows.text(row, "attname"));
        if (rows.boolean(row, "identity")) {
            after[oid] += fmt::format("ALTER TABLE {} ALTER COLUMN {} ADD GENERATED {} AS IDENTITY (SEQUENCE NAME {});",
                                      table, column, rows.text(row, "kind") == "a" ? "ALWAYS" : "BY DEFAULT", name);
        } else {
            before[oid] += fmt::format("CREATE SEQUENCE {} AS {};", name, rows.text(row, "type"));
            after[oid] += fmt::format("ALTER SEQUENCE {} OWNED BY {}.{};", name, table, column);
        }
    }
}

awaitable<std::string> sequence_scripts(stage& at) {
    const std::string oids = oid_array(at.sequences);
    const auto rows = co_await at.session.query(lone_sequences_sql, oids);
    std::string script;
    for (int row = 0; row < rows.rows(); ++row) {
        script += fmt::format("CREATE SEQUENCE {} AS {};",
                              in_temp(at.names.add({rows.text(row, "nspname"), rows.text(row, "relname")})),
                              rows.text(row, "type"));
    }
    co_return script;
}

awaitable<void> add_tables(stage& at, scripts& into) {
    std::vector<std::int64_t> oids;
    for (const real_relation& each : at.relations) {
        oids.push_back(each.oid);
    }
    const std::string all = oid_array(oids);
    const auto rows = co_await at.session.query(columns_sql, all);
    std::map<std::int64_t, std::vector<std::string>> columns;
    for (int row = 0; row < rows.rows(); ++row) {
        const auto oid = rows.integer(row, "attrelid");
        const real_relation& of = *at.find(oid);
        if (!inherits_columns(of) || rows.boolean(row, "attislocal")) {
            columns[oid].push_back(column_sql(at, rows, row, of.wanted == extent::whole));
        }
    }
    if (at.session.server_major() >= first_with_named_not_null) {
        co_await add_merged_not_nulls(at, columns);
    }
    for (const real_relation& each : at.relations) {
        into[each.oid] += table_sql(at, each, columns[each.oid]);
        if (each.wanted == extent::whole) {
            into[each.oid] += marks_sql(each);
        }
    }
}

awaitable<void> add_checks(stage& at, scripts& into) {
    const std::string oids = oid_array(whole_ones(at));
    const auto rows = co_await at.session.query(checks_sql, oids);
    for (int row = 0; row < rows.rows(); ++row) {
        const auto oid = rows.integer(row, "conrelid");
        const real_relation& of = *at.find(oid);
        if (inherits_columns(of) && (!rows.boolean(row, "conislocal") || rows.boolean(row, "merged"))) {
            continue;
        }
        into[oid] += fmt::format("ALTER TABLE {} ADD {};", in_temp(of.trial_name), constraint_sql(at, rows, row));
    }
}

namespace {

constexpr const char* type_definitions_sql = R"(
    SELECT t.oid, n.nspname, t.typname, t.typtype::text AS kind, format_type(t.typbasetype, t.typtypmod) AS base,
           t.typnotnull, t.typdefault,
           CASE WHEN t.typtype = 'd' AND t.typcollation <> b.typcollation
                THEN quote_ident(ln.nspname) || '.' || quote_ident(l.collname) ELSE '' END AS collation,
           ARRAY(SELECT quote_literal(e.enumlabel) FROM pg_enum e WHERE e.enumtypid = t.oid ORDER BY e.enumsortorder) AS labels,
           ARRAY(SELECT quote_ident(a.attname) || ' ' || format_type(a.atttypid, a.atttypmod) FROM pg_attribute a
                  WHERE a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum) AS attributes,
           ARRAY(SELECT 'CONSTRAINT ' || quote_ident(c.conname) || ' ' || pg_get_constraintdef(c.oid) FROM pg_constraint c
                  WHERE c.contypid = t.oid ORDER BY c.oid) AS constraints
      FROM pg_type t JOIN pg_namespace n ON n.oid = t.typnamespace LEFT JOIN pg_type b ON b.oid = t.typbasetype
      LEFT JOIN pg_collation l ON l.oid = t.typcollation LEFT JOIN pg_namespace ln ON ln.oid = l.collnamespace
     WHERE t.oid = ANY($1::oid[]) ORDER BY t.oid)";

constexpr int first_with_domain_not_null = 17;  // as a constraint with a name

std::string domain_sql(const stage& at, const pg::result& rows, int row, const std::string& name) {
    std::string text = fmt::format("CREATE DOMAIN {} AS {}", name, at.names.lead_over(rows.text(row, "base")));
    if (!rows.text(row, "collation").empty()) {
        text += " COLLATE " + rows.text(row, "collation");
    }
    if (const auto value = rows.optional_text(row, "typdefault")) {
        text += " DEFAULT " + at.names.lead_over(*value);
    }
    if (rows.boolean(row, "typnotnull") && at.session.server_major() < first_with_domain_not_null) {
        text += " NOT NULL";
    }
    text += ";";
    for (const auto& each : rows.array(row, "constraints")) {
        text += fmt::format("ALTER DOMAIN {} ADD {};", name, at.names.lead_over(each));
    }
    return text;
}

}  // namespace

awaitable<std::string> type_scripts(stage& at) {
    const std::string oids = oid_array(at.types);
    const auto rows = co_await at.session.query(type_definitions_sql, oids);
    for (int row = 0; row < rows.rows(); ++row) {
        at.names.add({rows.text(row, "nspname"), rows.text(row, "typname")});
    }
    std::string script;
    for (int row = 0; row < rows.rows(); ++row) {
        const std::string name = in_temp(at.names.add({rows.text(row, "nspname"), rows.text(row, "typname")}));
        const std::string kind = rows.text(row, "kind");
        if (kind == "d") {
            script += domain_sql(at, rows, row, name);
        } else if (kind == "e") {
            script += fmt::format("CREATE TYPE {} AS ENUM ({});", name, join(rows.array(row, "labels"), ", "));
        } else {
            script += fmt::format("CREATE TYPE {} AS ({});", name,
                                  at.names.lead_over(join(rows.array(row, "attributes"), ", ")));
        }
    }
    co_return script;
}

}  // namespace pgeist::probe
