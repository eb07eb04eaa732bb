#include "pgeist/references/survey.hpp"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/ddl/lexer.hpp"
#include "pgeist/ddl/sql_text.hpp"
#include "pgeist/plan/alter.hpp"

namespace pgeist::references {

namespace {

// Every column of every foreign key by which tables refer to these, or to others that do. A key of a partitioned table
// is one, those of its partitions are its parts.
constexpr const char* references_sql = R"sql(
    WITH RECURSIVE reached(oid) AS (
        SELECT unnest($1::bigint[])::oid
        UNION
        SELECT k.conrelid FROM reached r JOIN pg_constraint k ON k.confrelid = r.oid
         WHERE k.contype = 'f' AND k.conparentid = 0)
    SELECT k.conname, fc.oid::bigint AS from_oid, fn.nspname AS from_schema, fc.relname AS from_table,
           fc.relkind AS from_kind, fa.attnum AS from_number, fa.attname AS from_column,
           format_type(fa.atttypid, fa.atttypmod) AS from_type, fa.attcollation::bigint AS from_collation,
           fa.attinhcount > 0 AS from_inherited,
           tc.oid::bigint AS to_oid, tn.nspname AS to_schema, tc.relname AS to_table, tc.relkind AS to_kind,
           ta.attnum AS to_number, ta.attname AS to_column, format_type(ta.atttypid, ta.atttypmod) AS to_type,
           ta.attcollation::bigint AS to_collation, ta.attinhcount > 0 AS to_inherited
      FROM reached r JOIN pg_constraint k ON k.confrelid = r.oid AND k.contype = 'f' AND k.conparentid = 0
     CROSS JOIN LATERAL unnest(k.conkey, k.confkey) AS c (f, t)
      JOIN pg_class fc ON fc.oid = k.conrelid JOIN pg_namespace fn ON fn.oid = fc.relnamespace
      JOIN pg_attribute fa ON fa.attrelid = k.conrelid AND fa.attnum = c.f
      JOIN pg_class tc ON tc.oid = k.confrelid JOIN pg_namespace tn ON tn.oid = tc.relnamespace
      JOIN pg_attribute ta ON ta.attrelid = k.confrelid AND ta.attnum = c.t
     ORDER BY fn.nspname COLLATE "C", fc.relname COLLATE "C", k.conname COLLATE "C", c.f)sql";

constexpr const char* ties_sql = R"sql(
    SELECT conrelid::bigint AS one, confrelid::bigint AS other, conname, pg_get_constraintdef(oid) AS definition
      FROM pg_constraint
     WHERE contype = 'f' AND conrelid <> confrelid AND conrelid = ANY ($1::bigint[]::oid[])
       AND confrelid = ANY ($1::bigint[]::oid[]) ORDER BY conname COLLATE "C")sql";

constexpr const char* families_sql = R"sql(
    SELECT inhrelid::bigint AS child, inhparent::bigint AS parent FROM pg_inherits
     WHERE inhrelid = ANY ($1::bigint[]::oid[]) AND inhparent = ANY ($1::bigint[]::oid[]))sql";

constexpr const char* columns_sql = R"sql(
    SELECT attnum, attname, format_type(atttypid, atttypmod) AS type FROM pg_attribute
     WHERE attrelid = $1::bigint::oid AND attnum > 0 AND NOT attisdropped)sql";

constexpr const char* volatile_sql = R"sql(
    SELECT coalesce(string_agg(DISTINCT p.proname, ', '), '') FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     WHERE p.provolatile = 'v' AND (p.proname::text = ANY ($1::text[])
           OR lower(n.nspname || '.' || p.proname) = ANY ($1::text[])))sql";

std::vector<std::int64_t> oids_of(const std::vector<table_change>& tables) {
    std::vector<std::int64_t> all;
    for (const table_change& each : tables) {
        all.push_back(each.oid);
    }
    return all;
}

column column_at(const pg::result& rows, int row, const std::string& side) {
    const auto field = [&](const char* name) { return side + name; };
    column made;
    made.table_oid = rows.integer(row, field("_oid").c_str());
    made.number = static_cast<int>(rows.integer(row, field("_number").c_str()));
    made.table = {rows.text(row, field("_schema").c_str()), rows.text(row, field("_table").c_str())};
    made.name = rows.text(row, field("_column").c_str());
    made.type = rows.text(row, field("_type").c_str());
    made.collation = rows.integer(row, field("_collation").c_str());
    made.kind = rows.text(row, field("_kind").c_str()).at(0);
    made.inherited = rows.boolean(row, field("_inherited").c_str());
    return made;
}

/// Changes of the same table are one, in order.
void join(const plan::change_request& more, plan::change_request& into) {
    into.alters.insert(into.alters.end(), more.alters.begin(), more.alters.end());
    into.sets.insert(into.sets.end(), more.sets.begin(), more.sets.end());
    if (more.key_index && into.key_index && *more.key_index != *into.key_index) {
        throw usage_error(fmt::format("--key is given twice for {}", into.table.display()), "name one index");
    }
    into.key_index = more.key_index ? more.key_index : into.key_index;
}

awaitable<void> find_tables(pg::connection& session, const std::vector<plan::change_request>& changes, survey& into) {
    for (const plan::change_request& each : changes) {
        const auto found = co_await catalog::find_table(session, each.table);
        if (!found) {
            throw error(exit_code::refused, fmt::format("there is no table {}", each.table.display()),
                        each.table.schema.empty() ? "give its schema too, if it is not in your search_path" : "");
        }
        const auto known = std::find_if(into.tables.begin(), into.tables.end(),
                                        [&](const table_change& one) { return one.oid == found->oid; });
        if (known != into.tables.end()) {
            join(each, known->change);
            continue;
        }
        table_change made;
        made.oid = found->oid;
        made.change = each;
        made.change.table = found->name;
        into.tables.push_back(std::move(made));
    }
}

std::vector<plan::alter_statement> statements_of(const plan::change_request& change) {
    qualified_name table = change.table;
    return plan::parse_alters(change.alters, table);
}

/// Of ALTER COLUMN … TYPE: type and collation, without USING.
std::string type_of(const plan::clause& what) {
    const auto tokens = ddl::sql_text::scan(what.text);
    const auto word = [&](std::size_t at, const char* text) {
        return at < tokens.size() && !tokens[at].quoted && tokens[at].word == text;
    };
    std::size_t at = word(1, "column") ? 3 : 2;
    while (at < tokens.size() && !word(at, "type")) {
        ++at;
    }
    const std::size_t begin = tokens.at(at + 1).begin;
    const std::size_t end = what.using_expression ? what.text.size() - what.using_expression->size() : what.text.size();
    std::string text = what.text.substr(begin, end - begin);
    if (what.using_expression) {
        std::size_t using_at = text.size();
        for (const auto& each : tokens) {
            const bool is_using = !each.quoted && each.word == "using" && each.begin >= begin && each.end <= end;
            using_at = is_using ? each.begin - begin : using_at;
        }
        text.resize(using_at);
    }
    while (!text.empty() && std::isspace(static_cast<unsigned char>(text.back())) != 0) {
        text.pop_back();
    }
    return text;
}

/// Read as the user's own sessions read them.
awaitable<void> make_columns(pg::connection& session, const std::string& columns) {
    std::string problem;
    co_await session.execute("SAVEPOINT pgeist_types; SET LOCAL search_path TO DEFAULT");
    try {
        co_await session.execute("CREATE TEMPORARY TABLE pgeist_types (" + columns + ")");
    } catch (const pg::sql_error& failure) {
        if (failure.poisons_connection()) {
            throw;
        }
        problem = failure.diag().message;
    }
    if (!problem.empty()) {
        throw error(exit_code::refused, problem, "name a type that is there");
    }
    co_await session.execute("SET LOCAL search_path TO pg_catalog");
}

/// Of a role that may make no temporary tables: without what stands in parentheses.
awaitable<void> name_types_roughly(pg::connection& session, std::vector<type_change>& changes) {
    for (type_change& each : changes) {
        const std::string type = each.type.substr(0, each.type.find(" COLLATE"));
        const pg::result row = co_await session.query("SELECT coalesce(format_type(to_regtype($1), NULL), '')", type);
        each.found_type = row.text(0, 0);
    }
}

/// The types as the server calls them, each by a column of a table that nobody sees.
awaitable<void> name_types(pg::connection& session, std::vector<type_change>& changes) {
    if (changes.empty()) {
        co_return;
    }
    const pg::result may = co_await session.query("SELECT has_database_privilege(current_database(), 'TEMPORARY')");
    if (!may.boolean(0, 0)) {
        co_await name_types_roughly(session, changes);
        co_return;
    }
    std::string columns;
    for (std::size_t at = 0; at < changes.size(); ++at) {
        columns += fmt::format("{}c{} {}", at == 0 ? "" : ", ", at, changes[at].type);
    }
    co_await make_columns(session, columns);
    const pg::result rows = co_await session.query(
        "SELECT format_type(atttypid, atttypmod), attcollation::bigint FROM pg_attribute WHERE attrelid = "
        "'pg_temp.pgeist_types'::regclass AND attnum > 0 ORDER BY attnum");
    for (std::size_t at = 0; at < changes.size(); ++at) {
        changes[at].found_type = rows.text(static_cast<int>(at), 0);
        changes[at].collation = rows.integer(static_cast<int>(at), 1);
    }
    co_await session.execute("ROLLBACK TO pgeist_types; RELEASE pgeist_types");
}

/// The columns of one table whose type its change changes, by their names before it.
awaitable<void> read_type_changes(pg::connection& session, const table_change& of, std::vector<type_change>& into) {
    const pg::result rows = co_await session.query(columns_sql, of.oid);
    std::map<std::string, int> numbers;
    for (int row = 0; row < rows.rows(); ++row) {
        numbers[rows.text(row, "attname")] = static_cast<int>(rows.integer(row, "attnum"));
    }
    for (const plan::alter_statement& statement : statements_of(of.change)) {
        for (const plan::clause& each : statement.clauses) {
            const auto found = numbers.find(each.column);
            if (found == numbers.end()) {
                continue;
            }
            if (each.kind == plan::clause_kind::rename_column) {
                const int number = found->second;
                numbers.erase(found);
                numbers[each.new_name] = number;
            } else if (each.kind == plan::clause_kind::alter_type) {
                type_change made;
                made.table_oid = of.oid;
                made.number = found->second;
                made.column = each.column;
                made.type = type_of(each);
                made.conversion = each.using_expression;
                into.push_back(std::move(made));
            }
        }
    }
}

/// What is dropped by one of the changes leads nowhere.
bool is_dropped(const survey& known, std::int64_t table, const std::string& constraint) {
    for (const table_change& each : known.tables) {
        if (each.oid != table) {
            continue;
        }
        for (const plan::alter_statement& statement : statements_of(each.change)) {
            for (const plan::clause& one : statement.clauses) {
                if (one.kind == plan::clause_kind::drop_constraint && one.constraint == constraint) {
                    return true;
                }
            }
        }
    }
    return false;
}

/// The statement that changes the column that leads to them gets their clauses too: of a key and of what refers to it
/// in the same table both must change at once. Of a table that is only followed to it is the only one; and where their
/// column is renamed before, they come first, by the name that it has now.
void add_clauses(const std::vector<follower>& followers, table_change& into, const std::vector<type_change>& given) {
    std::string clauses;
    std::set<std::string> columns;
    for (const follower& each : followers) {
        if (each.what.table_oid == into.oid) {
            clauses += (clauses.empty() ? "" : ", ") + each.clause;
            columns.insert(each.what.name);
        }
    }
    if (clauses.empty()) {
        return;
    }
    const bool changes_types =
        std::any_of(given.begin(), given.end(), [&](const type_change& each) { return each.table_oid == into.oid; });
    std::vector<std::string> alters;
    bool added = false;
    bool renamed = false;
    for (const plan::alter_statement& statement : statements_of(into.change)) {
        std::string text;
        bool of_types = false;
        for (const plan::clause& each : statement.clauses) {
            text += (text.empty() ? "" : ", ") + each.text;
            of_types = of_types || each.kind == plan::clause_kind::alter_type;
            renamed = renamed || (each.kind == plan::clause_kind::rename_column && columns.contains(each.column));
        }
        if (of_types && !added && !renamed) {
            text += ", " + clauses;
            added = true;
        }
        alters.push_back(std::move(text));
    }
    if (!added && (renamed || !changes_types)) {
        alters.insert(alters.begin(), clauses);  // by the names that the columns have now
    }
    into.change.alters = std::move(alters);
}

void add_followers(closure found, survey& into) {
    for (const follower& each : found.followers) {
        const bool known = std::any_of(into.tables.begin(), into.tables.end(),
                                       [&](const table_change& one) { return one.oid == each.what.table_oid; });
        if (!known) {
            table_change made;
            made.oid = each.what.table_oid;
            made.change.table = each.what.table;
            made.because = each.because;
            into.tables.push_back(std::move(made));
        }
    }
    for (table_change& each : into.tables) {
        add_clauses(found.followers, each, into.changed);
    }
    for (obstacle& each : found.obstacles) {
        into.obstacles.push_back(std::move(each));
    }
    into.followed = std::move(found.followers);
}

awaitable<void> refuse_volatile(pg::connection& session, survey& into) {
    for (const follower& each : into.followed) {
        if (each.functions.empty()) {
            continue;
        }
        const std::string names = pg::array_literal(each.functions);
        const pg::result row = co_await session.query(volatile_sql, names);
        if (!row.text(0, 0).empty()) {
            into.obstacles.push_back(
                {fmt::format("{} would be converted by {}, which gives another value each time: it would not refer to "
                             "{} any more",
                             each.what.display(), row.text(0, 0), each.from),
                 "write USING so that the same value gives the same value: by a function that is IMMUTABLE or STABLE"});
        }
    }
}

// Whether a foreign key may have one type on the one side and the other on the other.
constexpr const char* mixed_sql = R"sql(
    SELECT EXISTS (SELECT FROM pg_amop a JOIN pg_am m ON m.oid = a.amopmethod AND m.amname = 'btree'
                    WHERE a.amopstrategy = 3 AND a.amoplefttype = to_regtype($1) AND a.amoprighttype = to_regtype($2))
       AND EXISTS (SELECT FROM pg_amop a JOIN pg_am m ON m.oid = a.amopmethod AND m.amname = 'btree'
                    WHERE a.amopstrategy = 3 AND a.amoplefttype = to_regtype($2) AND a.amoprighttype = to_regtype($1)))sql";

awaitable<void> note_keys(pg::connection& session, const std::vector<reference>& all, survey& into) {
    for (const type_change& each : into.changed) {
        const auto found = std::find_if(all.begin(), all.end(), [&](const reference& one) {
            return one.to.table_oid == each.table_oid && one.to.number == each.number;
        });
        if (found == all.end()) {
            continue;
        }
        key_change made;
        made.key = found->to;
        made.type = each.found_type;
        const pg::result row = co_await session.query(mixed_sql, made.key.type, made.type);
        made.mixed = row.boolean(0, 0);
        into.keys.push_back(std::move(made));
    }
}

awaitable<std::vector<reference>> read_references(pg::connection& session, const survey& known) {
    const std::string tables = pg::array_literal(oids_of(known.tables));
    const pg::result rows = co_await session.query(references_sql, tables);
    std::vector<reference> all;
    for (int row = 0; row < rows.rows(); ++row) {
        reference made;
        made.constraint = rows.text(row, "conname");
        made.from = column_at(rows, row, "from");
        made.to = column_at(rows, row, "to");
        if (!is_dropped(known, made.from.table_oid, made.constraint)) {
            all.push_back(std::move(made));
        }
    }
    co_return all;
}

awaitable<void> add_references(pg::connection& session, bool with_references, survey& into) {
    for (const table_change& each : into.tables) {
        co_await read_type_changes(session, each, into.changed);
    }
    co_await name_types(session, into.changed);
    const std::vector<reference> all = co_await read_references(session, into);
    co_await note_keys(session, all, into);
    if (!with_references) {
        co_return;
    }
    if (into.keys.empty()) {
        into.warnings.emplace_back(
            "no foreign key refers to a column whose type is changed: --with-references adds nothing");
    }
    add_followers(follow(into.changed, all), into);
    co_await refuse_volatile(session, into);
}

/// Foreign keys that the changes add.
awaitable<void> add_new_ties(pg::connection& session, survey& into) {
    std::vector<tie> made;
    for (const table_change& each : into.tables) {
        for (const plan::alter_statement& statement : statements_of(each.change)) {
            for (const plan::clause& one : statement.clauses) {
                for (const plan::reference& to : one.references) {
                    const auto found = co_await catalog::find_table(session, to.table);
                    if (found && found->oid != each.oid) {
                        made.push_back({each.oid, found->oid, one.constraint, ""});
                    }
                }
            }
        }
    }
    into.ties.insert(into.ties.end(), made.begin(), made.end());
}

awaitable<void> refuse_families(pg::connection& session, survey& into) {
    const std::string tables = pg::array_literal(oids_of(into.tables));
    const pg::result rows = co_await session.query(families_sql, tables);
    const auto name_of = [&](std::int64_t oid) {
        const auto found = std::find_if(into.tables.begin(), into.tables.end(),
                                        [&](const table_change& one) { return one.oid == oid; });
        return found->change.table.display();
    };
    for (int row = 0; row < rows.rows(); ++row) {
        into.obstacles.push_back(
            {fmt::format("{} is a partition or a child of {}: the two cannot be changed by one run",
                         name_of(rows.integer(row, "child")), name_of(rows.integer(row, "parent"))),
             "change one of them, and the other one afterwards"});
    }
}

}  // namespace

awaitable<std::vector<tie>> find_ties(pg::connection& session, std::vector<std::int64_t> tables) {
    const std::string oids = pg::array_literal(tables);
    const pg::result rows = co_await session.query(ties_sql, oids);
    std::vector<tie> all;
    for (int row = 0; row < rows.rows(); ++row) {
        all.push_back({rows.integer(row, "one"), rows.integer(row, "other"), rows.text(row, "conname"),
                       rows.text(row, "definition")});
    }
    co_return all;
}

awaitable<survey> look(pg::connection& session, std::vector<plan::change_request> changes, bool with_references) {
    survey made;
    co_await find_tables(session, changes, made);
    co_await add_references(session, with_references, made);
    made.ties = co_await find_ties(session, oids_of(made.tables));
    co_await add_new_ties(session, made);
    co_await refuse_families(session, made);
    co_return made;
}

}  // namespace pgeist::references
