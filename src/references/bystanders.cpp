#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "pgeist/ddl/lexer.hpp"
#include "pgeist/plan/as_options.hpp"
#include "pgeist/references/survey.hpp"

namespace pgeist::references {

namespace {

// Columns of this type under one of these names, without a foreign key of their own.
constexpr const char* look_alikes_sql = R"sql(
    SELECT c.oid::bigint AS oid, a.attnum, n.nspname, c.relname, a.attname, c.relkind
      FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE lower(a.attname) = ANY ($1::text[]) AND format_type(a.atttypid, a.atttypmod) = $2
       AND a.attnum > 0 AND NOT a.attisdropped AND c.relkind IN ('r', 'p') AND c.relpersistence <> 't'
       AND NOT c.relispartition AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgeist')
       AND n.nspname !~ '^pg_(toast|temp)|^pgeist_[0-9]+$'
       AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = c.oid AND k.contype = 'f' AND a.attnum = ANY (k.conkey))
     ORDER BY n.nspname COLLATE "C", c.relname COLLATE "C", a.attnum)sql";

// Functions with an argument of this type that speak of one of these tables or columns, or whose argument is called
// like a reference.
constexpr const char* functions_sql = R"sql(
    SELECT p.oid::regprocedure::text AS name
      FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
     CROSS JOIN LATERAL (SELECT coalesce(nullif(p.prosrc, ''), '') || ' ' || coalesce(pg_get_function_sqlbody(p.oid), '') AS text) AS b
     WHERE p.prokind IN ('f', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema', 'pgeist')
       AND n.nspname !~ '^pg_(toast|temp)|^pgeist_[0-9]+$'
       AND to_regtype($1)::oid = ANY (p.proargtypes::oid[])
       AND NOT EXISTS (SELECT FROM pg_depend d WHERE d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e')
       AND (EXISTS (SELECT FROM unnest($2::text[]) AS w (word)
                     WHERE b.text ~* ('(^|[^[:alnum:]_])' || regexp_replace(w.word, '([^[:alnum:]_])', '\\\1', 'g') || '($|[^[:alnum:]_])'))
            OR EXISTS (SELECT FROM unnest(p.proargnames) AS g (name), unnest($3::text[]) AS w (word)
                        WHERE lower(g.name) IN (w.word, 'p_' || w.word, '_' || w.word, 'in_' || w.word)))
     ORDER BY p.oid::regprocedure::text COLLATE "C")sql";

std::string lower(std::string text) {
    for (char& each : text) {
        each = static_cast<char>(each >= 'A' && each <= 'Z' ? each + ('a' - 'A') : each);
    }
    return text;
}

/// How a column would be called that refers to the key: `users_id`, `user_id`.
std::vector<std::string> names_for(const column& key) {
    const std::string table = lower(key.table.name);
    const std::string name = lower(key.name);
    std::vector<std::string> all{table + "_" + name, singular(table) + "_" + name};
    if (name != "id" && name.find('_') != std::string::npos) {
        all.push_back(name);  // user_id in users
    }
    return all;
}

/// Whether the column is one that is changed.
bool is_changed(const survey& what, std::int64_t table, int number) {
    const auto same = [&](const column& each) { return each.table_oid == table && each.number == number; };
    return std::any_of(what.changed.begin(), what.changed.end(),
                       [&](const type_change& each) { return each.table_oid == table && each.number == number; }) ||
           std::any_of(what.followed.begin(), what.followed.end(),
                       [&](const follower& each) { return same(each.what); });
}

awaitable<void> find_look_alikes(pg::connection& session, const survey& what, const key_change& key, bystanders& into) {
    const std::string names = pg::array_literal(names_for(key.key));
    const pg::result rows = co_await session.query(look_alikes_sql, names, key.key.type);
    for (int row = 0; row < rows.rows(); ++row) {
        look_alike made;
        made.what.table_oid = rows.integer(row, "oid");
        made.what.number = static_cast<int>(rows.integer(row, "attnum"));
        made.what.table = {rows.text(row, "nspname"), rows.text(row, "relname")};
        made.what.name = rows.text(row, "attname");
        made.what.type = key.key.type;
        made.what.kind = rows.text(row, "relkind").at(0);
        made.refers_to = key.key.display();
        if (!is_changed(what, made.what.table_oid, made.what.number)) {
            into.columns.push_back(std::move(made));
        }
    }
}

awaitable<void> find_functions(pg::connection& session, const survey& what, const key_change& key,
                               std::set<std::string>& into) {
    std::vector<std::string> words;
    std::vector<std::string> arguments = names_for(key.key);
    for (const table_change& each : what.tables) {
        words.push_back(each.change.table.name);
    }
    for (const follower& each : what.followed) {
        arguments.push_back(lower(each.what.name));
    }
    const std::string word_list = pg::array_literal(words);
    const std::string argument_list = pg::array_literal(arguments);
    const pg::result rows = co_await session.query(functions_sql, key.key.type, word_list, argument_list);
    for (int row = 0; row < rows.rows(); ++row) {
        into.insert(rows.text(row, "name"));
    }
}

/// One table after the other: what refers to others first, so that there is no moment at which a key has no room in
/// what refers to it.
std::optional<std::string> one_by_one(const survey& what) {
    const bool mixed = !what.keys.empty() && std::all_of(what.keys.begin(), what.keys.end(),
                                                         [](const key_change& each) { return each.mixed; });
    if (!mixed || what.tables.size() < 2) {
        return std::nullopt;
    }
    std::vector<std::string> commands;
    for (auto each = what.tables.rbegin(); each != what.tables.rend(); ++each) {
        commands.push_back("pgeist run " + plan::as_options(each->change));
    }
    return fmt::format(
        "children first, one by one: {} and {} may refer to each other, so each table can be a run of its own, with "
        "room for one copy at a time and each foreign key validated twice: {}",
        what.keys.front().key.type, what.keys.front().type, pgeist::join(commands, "; "));
}

}  // namespace

awaitable<bystanders> find_bystanders(pg::connection& session, const survey& what) {
    bystanders made;
    std::set<std::string> functions;
    for (const key_change& each : what.keys) {
        co_await find_look_alikes(session, what, each, made);
        co_await find_functions(session, what, each, functions);
    }
    made.functions.assign(functions.begin(), functions.end());
    made.alternative = one_by_one(what);
    co_return made;
}

}  // namespace pgeist::references
