#include <algorithm>

#include <fmt/format.h>

#include "trial_stage.hpp"

// Views, rules, policies, triggers and functions that hang on a table decide whether it may be changed, and are locked
// or dropped with it. What they compute does not matter: each gets a form of the same name that uses the same columns.
// So nobody's text is read again, and nobody's function is called.
namespace pgeist::probe {

namespace {

// refobjsubid 0: the relation as a whole.
constexpr const char* dependents_sql = R"(
    SELECT CASE WHEN r.rulename <> '_RETURN' THEN 'rule' WHEN c.relkind = 'm' THEN 'materialized view' ELSE 'view' END AS kind,
           r.rulename AS name, c.oid AS on_oid, n.nspname, c.relname, d.refobjid, a.attname, r.ev_type::text AS command
      FROM pg_depend d JOIN pg_rewrite r ON r.oid = d.objid JOIN pg_class c ON c.oid = r.ev_class
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
     WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY($1::oid[])
       AND d.deptype IN ('n', 'a')
    UNION ALL
    SELECT 'policy', p.polname, c.oid, n.nspname, c.relname, d.refobjid, a.attname, p.polcmd::text
      FROM pg_depend d JOIN pg_policy p ON p.oid = d.objid JOIN pg_class c ON c.oid = p.polrelid
      JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
     WHERE d.classid = 'pg_policy'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY($1::oid[])
    UNION ALL
    SELECT 'function', f.proname, f.oid, n.nspname, f.proname, d.refobjid, a.attname, ''
      FROM pg_depend d JOIN pg_proc f ON f.oid = d.objid JOIN pg_namespace n ON n.oid = f.pronamespace
      LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
     WHERE d.classid = 'pg_proc'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = ANY($1::oid[])
    UNION ALL
    SELECT 'function', f.proname, f.oid, n.nspname, f.proname, c.oid, NULL, ''
      FROM pg_class c JOIN pg_type y ON y.oid = c.reltype
      JOIN pg_depend d ON d.refclassid = 'pg_type'::regclass AND d.refobjid IN (y.oid, y.typarray)
       AND d.classid = 'pg_proc'::regclass
      JOIN pg_proc f ON f.oid = d.objid JOIN pg_namespace n ON n.oid = f.pronamespace
     WHERE c.oid = ANY($1::oid[]))";

constexpr const char* bases_sql = R"(
    SELECT r.ev_class, v.relkind AS view_kind, n.nspname, v.relname, d.refobjid, c.relkind, a.attname
      FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class JOIN pg_namespace n ON n.oid = v.relnamespace
      LEFT JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid AND d.refclassid = 'pg_class'::regclass
            AND d.deptype = 'n' AND d.refobjid <> r.ev_class
      LEFT JOIN pg_class c ON c.oid = d.refobjid AND c.oid >= 16384
      LEFT JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid AND a.attnum > 0
     WHERE r.rulename = '_RETURN' AND r.ev_class = ANY($1::oid[]))";

bool is_view(const std::string& kind) { return kind == "view" || kind == "materialized view"; }

void use(real_dependent& of, std::int64_t relation, const std::string& column) {
    auto& columns = of.uses[relation];
    if (!column.empty() && std::find(columns.begin(), columns.end(), column) == columns.end()) {
        columns.push_back(column);
    }
}

real_dependent& entry_for(stage& at, const std::string& kind, const std::string& name, std::int64_t on_oid) {
    for (auto& each : at.dependents) {
        if (each.kind == kind && each.on_oid == on_oid && (is_view(kind) || each.name == name)) {
            return each;
        }
    }
    at.dependents.emplace_back();
    at.dependents.back().kind = kind;
    at.dependents.back().name = name;
    at.dependents.back().on_oid = on_oid;
    return at.dependents.back();
}

/// @returns views that were not known
std::vector<std::int64_t> take_dependents(stage& at, const pg::result& rows) {
    std::vector<std::int64_t> views;
    for (int row = 0; row < rows.rows(); ++row) {
        const std::string kind = rows.text(row, "kind");
        const auto on_oid = rows.integer(row, "on_oid");
        if (is_view(kind)) {
            if (on_oid != rows.integer(row, "refobjid") &&
                std::find(at.views.begin(), at.views.end(), on_oid) == at.views.end()) {
                at.views.push_back(on_oid);
                views.push_back(on_oid);
            }
            continue;
        }
        real_dependent& each = entry_for(at, kind, rows.text(row, "name"), on_oid);
        each.on = {rows.text(row, "nspname"), rows.text(row, "relname")};
        each.command = rows.text(row, "command");
        use(each, rows.integer(row, "refobjid"), rows.text(row, "attname"));
    }
    return views;
}

/// What the views read. @returns views that were not known; tables go to `tables`
std::vector<std::int64_t> take_bases(stage& at, const pg::result& rows, std::vector<std::int64_t>& tables) {
    std::vector<std::int64_t> views;
    for (int row = 0; row < rows.rows(); ++row) {
        const bool materialized = rows.view(row, rows.column("view_kind")) == "m";
        real_dependent& each =
            entry_for(at, materialized ? "materialized view" : "view", "", rows.integer(row, "ev_class"));
        each.on = {rows.text(row, "nspname"), rows.text(row, "relname")};
        each.name = each.on.name;
        const std::string kind = rows.text(row, "relkind");
        const auto base = rows.integer(row, "refobjid");
        if (kind == "r" || kind == "p") {
            use(each, base, rows.text(row, "attname"));
            if (at.find(base) == nullptr) {
                tables.push_back(base);
            }
        } else if (kind == "v" || kind == "m") {
            use(each, base, rows.text(row, "attname"));
            if (std::find(at.views.begin(), at.views.end(), base) == at.views.end()) {
                at.views.push_back(base);
                views.push_back(base);
            }
        }
    }
    return views;
}

}  // namespace

std::string real_dependent::display() const {
    return is_view(kind) || kind == "function" ? on.display()
                                               : fmt::format("{} on {}", display_identifier(name), on.display());
}

namespace {

// Temporary tables cannot be published.
constexpr const char* publications_sql = R"(
    SELECT DISTINCT quote_ident(p.pubname), r.prrelid FROM pg_publication_rel r JOIN pg_publication p ON p.oid = r.prpubid
     WHERE r.prrelid = ANY($1::oid[]) AND (r.prattrs IS NOT NULL OR r.prqual IS NOT NULL) ORDER BY 1, 2)";

constexpr int first_with_published_columns = 15;

awaitable<void> note_publications(stage& at, std::string oids) {
    const auto rows = co_await at.session.query(publications_sql, oids);
    for (int row = 0; row < rows.rows(); ++row) {
        at.assumptions.push_back(fmt::format("publication {}, which names columns of {}, is not in the way",
                                             rows.text(row, 0), at.find(rows.integer(row, 1))->name.display()));
    }
}

}  // namespace

awaitable<void> cast_dependents(stage& at, std::size_t most_relations) {
    std::vector<std::int64_t> fresh = at.views;
    for (const real_relation& each : at.relations) {
        if (each.wanted == extent::whole) {
            fresh.push_back(each.oid);
        }
    }
    if (at.session.server_major() >= first_with_published_columns) {
        std::vector<std::int64_t> tables_only = fresh;
        std::erase_if(tables_only, [&](std::int64_t oid) { return at.find(oid) == nullptr; });
        co_await note_publications(at, oid_array(tables_only));
    }
    while (!fresh.empty()) {
        const std::string oids = oid_array(fresh);
        const auto rows = co_await at.session.query(dependents_sql, oids);
        fresh = take_dependents(at, rows);
        if (at.views.size() + at.dependents.size() > most_relations) {
            throw not_tried(fmt::format("more than {} views and functions hang on it", most_relations));
        }
    }
    std::vector<std::int64_t> tables;
    fresh = at.views;
    while (!fresh.empty()) {
        const std::string oids = oid_array(fresh);
        const auto rows = co_await at.session.query(bases_sql, oids);
        fresh = take_bases(at, rows, tables);
    }
    for (const real_dependent& each : at.dependents) {
        const bool on_table = each.kind == "policy" || each.kind == "rule";
        const bool on_view = std::find(at.views.begin(), at.views.end(), each.on_oid) != at.views.end();
        if (on_table && !on_view && at.find(each.on_oid) == nullptr) {
            tables.push_back(each.on_oid);
        }
    }
    if (!tables.empty()) {
        co_await add_outlines(at, std::move(tables), most_relations);
    }
}

namespace {

constexpr const char* view_columns_sql = R"(
    SELECT a.attname, format_type(a.atttypid, a.atttypmod), CASE WHEN a.attcollation <> t.typcollation
           THEN quote_ident(n.nspname) || '.' || quote_ident(c.collname) ELSE '' END
      FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid LEFT JOIN pg_collation c ON c.oid = a.attcollation
      LEFT JOIN pg_namespace n ON n.oid = c.collnamespace
     WHERE a.attrelid = $1 AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum)";

/// The relations that `of` uses and that have stand-ins, as FROM list and condition over the columns.
struct uses_sql {
    std::string from;
    std::string condition;
};

std::optional<std::string> stand_in_of(const stage& at, std::int64_t oid) {
    if (const auto* table = at.find(oid)) {
        return table->trial_name;
    }
    for (const auto& each : at.dependents) {
        if (is_view(each.kind) && each.on_oid == oid) {
            return at.names.find(each.on.schema, each.on.name);
        }
    }
    return std::nullopt;
}

uses_sql uses_of(const stage& at, const real_dependent& of) {
    std::vector<std::string> from;
    std::vector<std::string> conditions{"true"};
    for (const auto& [oid, columns] : of.uses) {
        const auto name = stand_in_of(at, oid);
        if (!name || oid == of.on_oid) {
            continue;
        }
        const std::string alias = fmt::format("pgeist_{}", from.size() + 1);
        from.push_back(in_temp(*name) + " AS " + alias);
        for (const auto& column : columns) {
            conditions.push_back(fmt::format("{}.{} IS NULL", alias, quote_identifier(column)));
        }
    }
    return {from.empty() ? std::string() : " FROM " + join(from, ", "), join(conditions, " AND ")};
}

/// A condition over columns of the table that the object stands on.
std::string own_condition(const real_dependent& of, const std::string& prefix) {
    std::vector<std::string> conditions{"true"};
    const auto own = of.uses.find(of.on_oid);
    if (own != of.uses.end()) {
        for (const auto& column : own->second) {
            conditions.push_back(fmt::format("{}{} IS NULL", prefix, quote_identifier(column)));
        }
    }
    return join(conditions, " AND ");
}

std::string condition_of(const stage& at, const real_dependent& of, const std::string& prefix) {
    const uses_sql others = uses_of(at, of);
    std::string condition = own_condition(of, prefix);
    if (!others.from.empty()) {
        condition += fmt::format(" AND EXISTS (SELECT{} WHERE {})", others.from, others.condition);
    }
    return condition;
}

awaitable<std::string> view_sql(stage& at, const real_dependent& of) {
    const auto rows = co_await at.session.query(view_columns_sql, of.on_oid);
    std::vector<std::string> columns;
    for (int row = 0; row < rows.rows(); ++row) {
        const std::string collation = rows.text(row, 2);
        columns.push_back(fmt::format("NULL::{}{} AS {}", at.names.lead_over(rows.text(row, 1)),
                                      collation.empty() ? "" : " COLLATE " + collation,
                                      quote_identifier(rows.text(row, 0))));
    }
    const uses_sql uses = uses_of(at, of);
    co_return fmt::format("CREATE VIEW {} AS SELECT {}{} WHERE {}", in_temp(at.names.add(of.on)), join(columns, ", "),
                          uses.from, uses.condition);
}

std::string policy_sql(const stage& at, const real_dependent& of, const std::string& table) {
    const std::string condition = condition_of(at, of, "");
    const char* command = of.command == "r"   ? "SELECT"
                          : of.command == "a" ? "INSERT"
                          : of.command == "w" ? "UPDATE"
                          : of.command == "d" ? "DELETE"
                                              : "ALL";
    return fmt::format("CREATE POLICY {} ON {} FOR {} {} ({})", quote_identifier(of.name), table, command,
                       of.command == "a" ? "WITH CHECK" : "USING", condition);
}

std::string rule_sql(const stage& at, const real_dependent& of, const std::string& table) {
    const bool insert = of.command == "3";
    const char* event = insert ? "INSERT" : of.command == "2" ? "UPDATE" : "DELETE";
    return fmt::format("CREATE RULE {} AS ON {} TO {} WHERE {} DO ALSO NOTHING", quote_identifier(of.name), event,
                       table, condition_of(at, of, insert ? "NEW." : "OLD."));
}

std::string function_sql(stage& at, const real_dependent& of) {
    const uses_sql uses = uses_of(at, of);
    return fmt::format("CREATE FUNCTION {}() RETURNS int LANGUAGE sql BEGIN ATOMIC SELECT 1{} WHERE {}; END",
                       in_temp(at.names.add(of.on)), uses.from, uses.condition);
}

awaitable<std::string> sql_of(stage& at, const real_dependent& of) {
    if (is_view(of.kind)) {
        const std::string made = co_await view_sql(at, of);
        co_return made;
    }
    if (of.kind == "function") {
        co_return function_sql(at, of);
    }
    const auto table = stand_in_of(at, of.on_oid);
    if (!table) {
        co_return std::string();
    }
    if (of.kind == "policy") {
        co_return policy_sql(at, of, in_temp(*table));
    }
    co_return rule_sql(at, of, in_temp(*table));
}

/// One that cannot be made is left out, and named.
awaitable<void> build_dependent(stage& at, const real_dependent& of) {
    std::string problem;
    try {
        std::string script = co_await sql_of(at, of);
        if (!script.empty()) {
            co_await run_script(at, std::move(script));
        }
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
        problem = failure.diag().message;
    }
    if (!problem.empty()) {
        at.assumptions.push_back(
            fmt::format("{} {} is not in the way (it has no stand-in: {})", of.kind, of.display(), problem));
    }
}

}  // namespace

awaitable<void> build_dependents(stage& at) {
    std::vector<const real_dependent*> later;
    std::set<std::int64_t> done;
    for (const real_dependent& each : at.dependents) {
        later.push_back(&each);
    }
    // Views over views come after these; what stands on views, and what reads them, after all views.
    for (bool moved = true; moved;) {
        moved = false;
        for (auto& each : later) {
            const auto is_ready = [&](const auto& used) {
                const auto view = std::find(at.views.begin(), at.views.end(), used.first);
                return view == at.views.end() || done.count(used.first) != 0;
            };
            if (each == nullptr || !is_view(each->kind) ||
                !std::all_of(each->uses.begin(), each->uses.end(), is_ready)) {
                continue;
            }
            const real_dependent& view = *each;
            each = nullptr;
            done.insert(view.on_oid);
            moved = true;
            co_await build_dependent(at, view);
        }
    }
    for (const auto* each : later) {
        if (each != nullptr) {
            co_await build_dependent(at, *each);
        }
    }
}

}  // namespace pgeist::probe
