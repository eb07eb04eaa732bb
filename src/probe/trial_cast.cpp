#include <algorithm>

#include <fmt/format.h>

#include "trial_stage.hpp"
#include "trial_text.hpp"

// Which relations need a stand-in: what the statements name, what a statement on it reaches, and the other side of
// whatever ties these to others.
namespace pgeist::probe {

namespace {

/// How a table came to be among those that need a stand-in, the weakest first. What was reached in a stronger way is
/// looked at again.
enum class role {
    partner,    ///< the other side of a foreign key, or reads a row type
    neighbour,  ///< the DEFAULT partition beside a named one
    ancestor,   ///< a parent of a named table
    named,      ///< named, or a child of one that is
};

struct reached {
    std::int64_t oid = 0;
    role how = role::partner;
};

// A foreign key of a partitioned table has a row for each partition (conparentid); the first one stands for all.
constexpr const char* neighbours_sql = R"(
    SELECT 'child' AS how, inhparent AS at, inhrelid AS oid FROM pg_inherits WHERE inhparent = ANY($1::oid[])
    UNION ALL SELECT 'parent', inhrelid, inhparent FROM pg_inherits WHERE inhrelid = ANY($1::oid[])
    UNION ALL SELECT 'default', partrelid, partdefid FROM pg_partitioned_table WHERE partrelid = ANY($1::oid[]) AND partdefid <> 0
    UNION ALL SELECT 'key', conrelid, confrelid FROM pg_constraint
               WHERE contype = 'f' AND conparentid = 0 AND conrelid = ANY($1::oid[])
    UNION ALL SELECT 'referrer', confrelid, conrelid FROM pg_constraint
               WHERE contype = 'f' AND conparentid = 0 AND confrelid = ANY($1::oid[])
    UNION ALL SELECT 'row', y.typrelid, a.attrelid FROM pg_type y
                JOIN pg_attribute a ON a.atttypid IN (y.oid, y.typarray) AND NOT a.attisdropped
                JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p')
               WHERE y.typrelid = ANY($1::oid[]) AND a.atttypid <> 0)";

constexpr const char* real_relations_sql = R"(
    SELECT c.oid, n.nspname, c.relname, c.relkind, c.relpersistence, c.relispartition, coalesce(m.amname, '') AS method,
           coalesce(s.spcname, '') AS tablespace, c.relrowsecurity, c.relforcerowsecurity, c.relreplident,
           CASE WHEN c.reloftype <> 0 THEN format_type(c.reloftype, NULL) ELSE '' END AS of_type,
           coalesce(pg_get_partkeydef(c.oid), '') AS partition_key,
           coalesce(pg_get_expr(c.relpartbound, c.oid), '') AS bound,
           ARRAY(SELECT i.inhparent FROM pg_inherits i WHERE i.inhrelid = c.oid ORDER BY i.inhseqno) AS parents
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace LEFT JOIN pg_am m ON m.oid = c.relam
      LEFT JOIN pg_tablespace s ON s.oid = c.reltablespace
     WHERE c.oid = ANY($1::oid[]) ORDER BY c.oid)";

// The first schema of the search_path that has the name. What pg_catalog has comes before all.
constexpr const char* named_sql = R"(
    SELECT DISTINCT ON (w.place) c.oid, c.relkind, c.relpersistence, n.nspname, c.relname,
           coalesce(i.indrelid, owner.refobjid, 0) AS table_oid, w.place
      FROM unnest($1::text[], $2::text[]) WITH ORDINALITY AS w(schema, name, place)
      JOIN pg_class c ON c.relname = w.name JOIN pg_namespace n ON n.oid = c.relnamespace
      LEFT JOIN pg_index i ON i.indexrelid = c.oid
      LEFT JOIN LATERAL (SELECT d.refobjid FROM pg_depend d
                          WHERE c.relkind = 'S' AND d.classid = 'pg_class'::regclass AND d.objid = c.oid
                            AND d.refclassid = 'pg_class'::regclass AND d.refobjsubid > 0 AND d.deptype IN ('a', 'i')
                          LIMIT 1) AS owner ON true
     WHERE CASE WHEN w.schema <> '' THEN n.nspname = w.schema
                ELSE n.nspname = ANY(ARRAY['pg_catalog'] || $3::text[]) END
     ORDER BY w.place, array_position(ARRAY['pg_catalog'] || $3::text[], n.nspname::text))";

constexpr const char* named_statistics_sql = R"(
    SELECT s.stxrelid FROM unnest($1::text[], $2::text[]) AS w(schema, name)
      JOIN pg_statistic_ext s ON s.stxname = w.name JOIN pg_namespace n ON n.oid = s.stxnamespace
     WHERE CASE WHEN w.schema <> '' THEN n.nspname = w.schema ELSE n.nspname = ANY($3::text[]) END)";

constexpr const char* named_types_sql = R"(
    SELECT DISTINCT t.oid, t.typtype, n.nspname, t.typname FROM unnest($1::text[], $2::text[]) AS w(schema, name)
      JOIN pg_type t ON t.typname = w.name JOIN pg_namespace n ON n.oid = t.typnamespace
      LEFT JOIN pg_class c ON c.oid = t.typrelid
     WHERE (t.typrelid = 0 OR c.relkind = 'c') AND n.nspname <> 'pg_catalog'
       AND CASE WHEN w.schema <> '' THEN n.nspname = w.schema ELSE n.nspname = ANY($3::text[]) END)";

// Columns, domains and row types that are made of the types; arrays, too.
constexpr const char* users_of_types_sql = R"(
    WITH RECURSIVE u(oid) AS (
        SELECT unnest($1::oid[])
        UNION
        SELECT t.oid FROM u JOIN pg_type t ON t.typelem = u.oid OR t.typbasetype = u.oid
                   OR t.oid IN (SELECT c.reltype FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid AND c.relkind = 'c'
                                 WHERE a.atttypid = u.oid AND NOT a.attisdropped)
                   OR t.oid IN (SELECT r.rngtypid FROM pg_range r WHERE r.rngsubtype = u.oid))
    SELECT DISTINCT 'column' AS kind, a.attrelid AS oid FROM u JOIN pg_attribute a ON a.atttypid = u.oid AND NOT a.attisdropped
      JOIN pg_class c ON c.oid = a.attrelid AND c.relkind IN ('r', 'p', 'f', 'm')
    UNION ALL
    SELECT DISTINCT 'type', t.oid FROM u JOIN pg_type t ON t.oid = u.oid WHERE t.typtype IN ('e', 'd', 'c'))";

std::vector<std::string> schemas_of(const std::vector<written_name>& names) {
    std::vector<std::string> all;
    for (const auto& each : names) {
        all.push_back(each.schema);
    }
    return all;
}

std::vector<std::string> names_of(const std::vector<written_name>& names) {
    std::vector<std::string> all;
    for (const auto& each : names) {
        all.push_back(each.name);
    }
    return all;
}

bool changes_types(const std::vector<std::string>& statements) {
    return std::any_of(statements.begin(), statements.end(), [](const std::string& each) {
        const std::string kind = kind_of(each);
        return kind == "alter type" || kind == "alter domain" || kind == "drop type" || kind == "drop domain" ||
               (kind == "comment on" && (has_word(each, "type") || has_word(each, "domain")));
    });
}

std::vector<written_name> all_names(const std::vector<std::string>& statements) {
    std::vector<written_name> all;
    std::set<std::pair<std::string, std::string>> seen;
    for (const auto& statement : statements) {
        for (auto& each : names_in(statement)) {
            if (seen.emplace(each.schema, each.name).second) {
                all.push_back(std::move(each));
            }
        }
    }
    return all;
}

void add_once(std::vector<std::int64_t>& to, std::int64_t oid) {
    if (std::find(to.begin(), to.end(), oid) == to.end()) {
        to.push_back(oid);
    }
}

/// Sorts what one row of named_sql names; tables go to `tables`.
void take_named(stage& at, const pg::result& rows, int row, std::vector<std::int64_t>& tables) {
    const qualified_name name{rows.text(row, "nspname"), rows.text(row, "relname")};
    if (name.schema == "pg_catalog" || name.schema == "information_schema") {
        throw not_tried(name.display() + " belongs to the server");
    }
    if (rows.view(row, rows.column("relpersistence")) == "t") {
        throw not_tried(name.display() + " is a temporary table");
    }
    const char kind = rows.view(row, rows.column("relkind")).front();
    if (kind == 'c') {
        return;  // found among the types, if those are changed
    }
    if (kind == 'm' || kind == 'f') {
        throw not_tried(fmt::format("{} is a {}, which has no stand-in", name.display(),
                                    kind == 'm' ? "materialized view" : "foreign table"));
    }
    if (at.names.add(name) != name.name) {
        throw not_tried("two objects in different schemas are called " + display_identifier(name.name));
    }
    switch (kind) {
        case 'r':
        case 'p':
            add_once(tables, rows.integer(row, "oid"));
            break;
        case 'i':
        case 'I':
            add_once(tables, rows.integer(row, "table_oid"));
            break;
        case 'S':
            add_once(rows.integer(row, "table_oid") == 0 ? at.sequences : tables,
                     rows.integer(row, rows.integer(row, "table_oid") == 0 ? "oid" : "table_oid"));
            break;
        case 'v':
            add_once(at.views, rows.integer(row, "oid"));
            break;
        default:
            throw not_tried(name.display() + " is of a kind that has no stand-in");
    }
}

awaitable<std::vector<std::int64_t>> find_named(stage& at, const std::vector<std::string>& statements) {
    const std::vector<written_name> names = all_names(statements);
    const std::string schemas = pg::array_literal(schemas_of(names));
    const std::string plain = pg::array_literal(names_of(names));
    const std::string visible = pg::array_literal(at.visible_schemas);
    std::vector<std::int64_t> tables;
    const auto rows = co_await at.session.query(named_sql, schemas, plain, visible);
    for (int row = 0; row < rows.rows(); ++row) {
        try {
            take_named(at, rows, row, tables);
        } catch (const not_tried& reason) {
            const written_name& name = names.at(static_cast<std::size_t>(rows.integer(row, "place") - 1));
            at.refused[{name.schema, name.name}] = reason.what();
        }
    }
    const auto statistics = co_await at.session.query(named_statistics_sql, schemas, plain, visible);
    for (int row = 0; row < statistics.rows(); ++row) {
        add_once(tables, statistics.integer(row, 0));
    }
    if (changes_types(statements)) {
        const auto types = co_await at.session.query(named_types_sql, schemas, plain, visible);
        for (int row = 0; row < types.rows(); ++row) {
            const char kind = types.view(row, types.column("typtype")).front();
            if (kind != 'e' && kind != 'd' && kind != 'c') {
                throw not_tried(types.text(row, "typname") + " is of a kind that has no stand-in");
            }
            at.names.add({types.text(row, "nspname"), types.text(row, "typname")});
            add_once(at.types, types.integer(row, "oid"));
        }
    }
    co_return tables;
}

/// Adds the tables, and other types, that are made of the types in question.
awaitable<void> add_users_of_types(stage& at, std::vector<std::int64_t>& tables) {
    const std::string types = oid_array(at.types);
    const auto rows = co_await at.session.query(users_of_types_sql, types);
    for (int row = 0; row < rows.rows(); ++row) {
        add_once(rows.view(row, 0) == "type" ? at.types : tables, rows.integer(row, 1));
    }
}

class spreading {
public:
    spreading(std::size_t most, bool cascades) : most_(most), cascades_(cascades) {}

    void reach(std::int64_t oid, role how) {
        const auto known = roles_.find(oid);
        if (known != roles_.end() && known->second >= how) {
            return;
        }
        roles_[oid] = how;
        fresh_.insert(oid);
        if (roles_.size() > most_) {
            throw not_tried(fmt::format("it reaches more than {} tables", most_));
        }
    }

    void follow(const std::string& edge, std::int64_t from, std::int64_t to) {
        const role how = roles_.at(from);
        if (edge == "child" && (how == role::named || how == role::partner || how == role::neighbour)) {
            reach(to, how);
        } else if (edge == "parent" && (how == role::named || how == role::ancestor)) {
            reach(to, role::ancestor);
        } else if (edge == "default" && how == role::ancestor) {
            reach(to, role::neighbour);
        } else if (edge == "referrer" && cascades_) {
            reach(to, role::partner);
        } else if ((edge == "key" || edge == "referrer" || edge == "row") &&
                   (how == role::named || how == role::ancestor)) {
            reach(to, role::partner);
        }
    }

    std::vector<std::int64_t> take_fresh() {
        std::vector<std::int64_t> taken(fresh_.begin(), fresh_.end());
        fresh_.clear();
        return taken;
    }

    [[nodiscard]] bool has(std::int64_t oid) const { return roles_.count(oid) != 0; }
    [[nodiscard]] extent wanted(std::int64_t oid) const {
        return roles_.at(oid) == role::partner ? extent::outline : extent::whole;
    }
    [[nodiscard]] std::vector<std::int64_t> all() const {
        std::vector<std::int64_t> oids;
        for (const auto& each : roles_) {
            oids.push_back(each.first);
        }
        return oids;
    }

private:
    std::size_t most_;
    bool cascades_;  ///< TRUNCATE … CASCADE: whoever refers to a table, and to that one
    std::map<std::int64_t, role> roles_;
    std::set<std::int64_t> fresh_;
};

real_relation read_relation(const pg::result& rows, int row) {
    real_relation each;
    each.oid = rows.integer(row, "oid");
    each.name = {rows.text(row, "nspname"), rows.text(row, "relname")};
    each.kind = rows.view(row, rows.column("relkind")).front();
    each.is_partition = rows.boolean(row, "relispartition");
    each.partition_key = rows.text(row, "partition_key");
    each.bound = rows.text(row, "bound");
    each.access_method = rows.text(row, "method");
    each.tablespace = rows.text(row, "tablespace");
    each.row_security = rows.boolean(row, "relrowsecurity");
    each.force_row_security = rows.boolean(row, "relforcerowsecurity");
    each.replica_identity = rows.view(row, rows.column("relreplident")).front();
    each.of_type = rows.text(row, "of_type");
    for (const auto& parent : rows.array(row, "parents")) {
        each.parents.push_back(std::stoll(parent));
    }
    if ((each.kind != 'r' && each.kind != 'p') || rows.view(row, rows.column("relpersistence")) == "t") {
        throw not_tried(fmt::format("{} is of a kind that has no stand-in", each.name.display()));
    }
    return each;
}

/// Parents come before their children, and outlines, whose columns may be rows of other tables, last.
void put_in_order(std::vector<real_relation>& all) {
    std::vector<real_relation> sorted;
    std::set<std::int64_t> done;
    for (const extent wanted : {extent::whole, extent::outline}) {
        for (bool moved = true; moved;) {
            moved = false;
            for (const real_relation& each : all) {
                const bool ready = std::all_of(each.parents.begin(), each.parents.end(),
                                               [&](std::int64_t parent) { return done.count(parent) != 0; });
                if (each.wanted == wanted && ready && done.insert(each.oid).second) {
                    sorted.push_back(each);
                    moved = true;
                }
            }
        }
    }
    if (sorted.size() != all.size()) {
        throw not_tried("its tables inherit from each other in a way that cannot be copied");
    }
    all = std::move(sorted);
}

awaitable<void> spread(stage& at, spreading& found) {
    for (auto fresh = found.take_fresh(); !fresh.empty(); fresh = found.take_fresh()) {
        const std::string oids = oid_array(fresh);
        const auto rows = co_await at.session.query(neighbours_sql, oids);
        for (int row = 0; row < rows.rows(); ++row) {
            found.follow(rows.text(row, "how"), rows.integer(row, "at"), rows.integer(row, "oid"));
        }
    }
}

awaitable<void> describe(stage& at, const spreading& found) {
    const std::string oids = oid_array(found.all());
    const auto rows = co_await at.session.query(real_relations_sql, oids);
    at.relations.clear();
    for (int row = 0; row < rows.rows(); ++row) {
        real_relation each = read_relation(rows, row);
        each.wanted = found.wanted(each.oid);
        std::erase_if(each.parents, [&](std::int64_t parent) {
            return !found.has(parent) || (each.wanted == extent::outline && found.wanted(parent) == extent::whole);
        });
        each.is_partition = each.is_partition && !each.parents.empty();
        at.relations.push_back(std::move(each));
    }
    put_in_order(at.relations);
    for (real_relation& each : at.relations) {
        each.trial_name = at.names.add(each.name);
    }
}

}  // namespace

const real_relation* stage::find(std::int64_t oid) const {
    const auto found =
        std::find_if(relations.begin(), relations.end(), [&](const auto& each) { return each.oid == oid; });
    return found == relations.end() ? nullptr : &*found;
}

awaitable<void> cast_relations(stage& at, const std::vector<std::string>& statements, std::size_t most_relations) {
    std::vector<std::int64_t> tables = co_await find_named(at, statements);
    if (!at.types.empty()) {
        co_await add_users_of_types(at, tables);
    }
    spreading found(most_relations, at.cascades);
    for (const auto oid : tables) {
        found.reach(oid, role::named);
    }
    co_await spread(at, found);
    co_await describe(at, found);
}

awaitable<void> add_outlines(stage& at, std::vector<std::int64_t> oids, std::size_t most_relations) {
    spreading found(most_relations, false);
    for (const real_relation& each : at.relations) {
        found.reach(each.oid, each.wanted == extent::whole ? role::neighbour : role::partner);
    }
    static_cast<void>(found.take_fresh());
    for (const auto oid : oids) {
        found.reach(oid, role::partner);
    }
    co_await spread(at, found);
    co_await describe(at, found);
}

}  // namespace pgeist::probe
