#include <algorithm>
#include <set>

#include <boost/algorithm/string/erase.hpp>
#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "pgeist/core/clipped.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/transfer/image.hpp"
#include "planning.hpp"
#include "sync_sql.hpp"

namespace pgeist::expand {

namespace {

/// An old column, and the one that takes its place.
struct successor {
    std::string old_name;
    std::string new_name;
    bool renamed = false;     ///< the same type
    bool same_value = false;  ///< in another type, to which it is cast without loss
    bool one_to_one = false;  ///< values that differ differ in that type, too
    std::string type;         ///< of the new one
    std::string mark;         ///< stands for it in definitions that are read back
};

/// A definition for the new columns, and what is known of those that it has.
struct moved {
    std::string definition;
    bool renamed = true;
    bool same_value = true;  ///< or renamed
    bool one_to_one = true;  ///< or renamed
    bool in_key = false;     ///< one at least, and not all of them behind INCLUDE
};

// In the order in which they were made, which LIKE keeps. What comes after the table's name.
constexpr const char* indexes_sql = R"(
    SELECT x.relname AS name, i.indisunique AS is_unique, coalesce(k.contype::text, '') AS contype,
           CASE WHEN k.condeferred THEN 'DEFERRABLE INITIALLY DEFERRED' WHEN k.condeferrable THEN 'DEFERRABLE' ELSE '' END AS deferrable,
           substr(pg_get_indexdef(x.oid), strpos(pg_get_indexdef(x.oid), ' USING ') + 1) AS definition
      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
      LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
     WHERE i.indrelid = $1::bigint::oid ORDER BY x.oid)";

constexpr const char* checks_sql = R"(
    SELECT conname AS name, pg_get_constraintdef(oid) AS definition, convalidated AS valid FROM pg_constraint
     WHERE conrelid = $1::bigint::oid AND contype = 'c' ORDER BY conname)";

// In the order in which they were made, which LIKE keeps. What stands between its name and FROM.
constexpr const char* statistics_sql = R"(
    SELECT s.stxname AS name, n.nspname AS schema, has_schema_privilege(n.oid, 'CREATE') AS may, left(d.rest, strpos(d.rest, ' ON ' || d.columns) + 3 + length(d.columns)) AS definition
      FROM pg_statistic_ext s JOIN pg_namespace n ON n.oid = s.stxnamespace
     CROSS JOIN LATERAL (SELECT pg_get_statisticsobjdef_columns(s.oid) AS columns,
                                substr(pg_get_statisticsobjdef(s.oid),
                                       length(format('CREATE STATISTICS %I.%I', n.nspname, s.stxname)) + 1) AS rest) d
     WHERE s.stxrelid = $1::bigint::oid ORDER BY s.oid)";

constexpr const char* keys_sql = R"(
    SELECT conname AS name, pg_get_constraintdef(k.oid) AS definition, k.convalidated AS valid,
           (SELECT array_agg(a.attname ORDER BY n.place) FROM unnest(k.conkey) WITH ORDINALITY AS n (attnum, place)
              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.attnum) AS columns,
           (SELECT array_agg(format_type(a.atttypid, NULL) ORDER BY n.place) FROM unnest(k.confkey) WITH ORDINALITY AS n (attnum, place)
              JOIN pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = n.attnum) AS referenced
      FROM pg_constraint k WHERE conrelid = $1::bigint::oid AND contype = 'f' AND conparentid = 0 ORDER BY conname)";

constexpr const char* implicit_cast_sql = R"(
    SELECT $1::regtype = $2::regtype OR EXISTS (SELECT FROM pg_cast WHERE castsource = $1::regtype AND casttarget = $2::regtype AND castcontext = 'i'))";

constexpr const char* is_taken_sql = R"(
    SELECT EXISTS (SELECT FROM pg_class WHERE relnamespace = to_regnamespace($1) AND relname = $2)
           OR EXISTS (SELECT FROM pg_statistic_ext WHERE stxname = $2)
           OR EXISTS (SELECT FROM pg_constraint WHERE conrelid = $3::bigint::oid AND conname = $2))";

/// `numeric` of `numeric(12,2)`.
std::string bare_type(std::string type) {
    const auto open = type.find('(');
    if (open != type.npos) {
        type.erase(open, type.find(')', open) - open + 1);
    }
    return type;
}

/// Whether the server has resolved --up to the old column, or a cast of it.
bool is_cast_of(const std::string& expression, const std::string& old_name) {
    const std::string column = placeholder(old_name);
    const auto at = expression.find(column);
    if (at == expression.npos || expression.find_first_not_of('(') != at) {
        return false;
    }
    std::string rest = expression.substr(at + column.size());
    boost::erase_all(rest, ")");
    return rest.empty() || (rest.starts_with("::") && rest.find_first_of("('|+*/,", 2) == rest.npos);
}

/// Text is not: its collation may be another one, for which some strings are equal.
bool is_one_to_one(const std::string& from, const std::string& to) {
    return transfer::is_exact_widening(from, to) || (to == "numeric" && transfer::is_exact_widening(from, "bigint"));
}

awaitable<bool> has_same_value(workshop& with, const group& of) {
    const column& old = of.olds.front();
    const column& made = of.news.front();
    bool same = made.type == bare_type(made.type) && is_cast_of(of.ups.front().expression, old.name);
    if (same) {
        const pg::result row = co_await with.at.conn.query(implicit_cast_sql, bare_type(old.type), made.type);
        same = row.boolean(0, 0);
    }
    co_return same;
}

awaitable<std::vector<successor>> successors_of(workshop& with) {
    std::vector<successor> all;
    const auto add = [&](const std::string& old_name, const std::string& new_name, bool renamed) -> successor& {
        successor& one = all.emplace_back();
        one.old_name = old_name;
        one.new_name = new_name;
        one.renamed = renamed;
        one.mark = fmt::format("pgeist:successor:{}", all.size());
        return one;
    };
    for (const auto& [old_name, new_name] : with.renamed) {
        add(old_name, new_name, true);
    }
    for (const group& each : with.made.plan.groups) {
        const bool known = !each.news.empty() && std::any_of(all.begin(), all.end(), [&](const successor& one) {
            return one.new_name == each.news.front().name;
        });
        if (!known && each.olds.size() == 1 && each.news.size() == 1 && !each.downs.empty()) {
            const bool same = co_await has_same_value(with, each);
            successor& one = add(each.olds.front().name, each.news.front().name, false);
            one.same_value = same;
            one.one_to_one = same && is_one_to_one(each.olds.front().type, each.news.front().type);
            one.type = each.news.front().type;
        }
    }
    co_return all;
}

/// The definition with the new columns; nothing when it has none of the old ones.
std::optional<moved> for_new(const std::vector<successor>& all, std::string definition) {
    bool any = false;
    moved made;
    for (const successor& each : all) {
        const std::string mark = quote_identifier(each.mark);
        if (definition.find(mark) != std::string::npos) {
            any = true;
            made.in_key = made.in_key || definition.find(mark) < definition.find(" INCLUDE (");
            made.renamed = made.renamed && each.renamed;
            made.same_value = made.same_value && (each.renamed || each.same_value);
            made.one_to_one = made.one_to_one && (each.renamed || each.one_to_one);
            boost::replace_all(definition, mark, quote_identifier(each.new_name));
        }
    }
    made.definition = std::move(definition);
    return any ? std::optional<moved>(std::move(made)) : std::nullopt;
}

/// Puts `to` in the place of `from` where it stands between underscores.
void replace_part(std::string& name, const std::string& from, const std::string& to) {
    for (auto at = name.find(from); at != name.npos; at = name.find(from, at + 1)) {
        const std::size_t end = at + from.size();
        if ((at == 0 || name[at - 1] == '_') && (end == name.size() || name[end] == '_')) {
            name.replace(at, from.size(), to);
            return;
        }
    }
}

/// `users_full_name_idx` for `users_name_idx`: says what it is of, and is none that is there.
awaitable<std::string> name_for(workshop& with, const std::vector<successor>& all, std::string old_name) {
    std::string name = old_name;
    for (const successor& each : all) {
        replace_part(name, each.old_name, each.new_name);
    }
    if (name == old_name) {
        name += "_" + all.front().new_name;
    }
    const spec& plan = with.made.plan;
    for (int number = 0;; ++number) {  // as the server does
        const std::string suffix = number == 0 ? "" : std::to_string(number);
        const std::string shown = std::string(clipped(name, longest_identifier - suffix.size())) + suffix;
        const auto has_it = [&](const auto& each) { return each.name == shown; };
        const pg::result taken = co_await with.at.conn.query(is_taken_sql, quote_identifier(with.source.name.schema),
                                                             shown, with.source.oid);
        if (!taken.boolean(0, 0) && std::none_of(plan.indexes.begin(), plan.indexes.end(), has_it) &&
            std::none_of(plan.constraints.begin(), plan.constraints.end(), has_it) &&
            std::none_of(plan.statistics.begin(), plan.statistics.end(),
                         [&](const twin_statistics& each) { return each.name.name == shown; })) {
            co_return shown;
        }
    }
}

/// Whether it can be made over the stand-in's columns. @param what `CREATE INDEX ON`, `ALTER TABLE`
awaitable<bool> is_valid(workshop& with, std::string what, std::string definition) {
    const qualified_name table{with.at.job_schema, with.source.name.name};
    bool valid = true;
    co_await target::begin_trial(with.at);
    try {
        co_await with.at.conn.execute(fmt::format("{} {} {}", what, table.sql(), definition));
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
        valid = false;
    }
    co_await target::undo_trial(with.at);
    co_return valid;
}

awaitable<twin_index> twin_of(workshop& with, const std::vector<successor>& all, const pg::result& found, int row,
                              moved now) {
    twin_index twin;
    twin.of = found.text(row, "name");
    twin.old_name = twin.of;
    twin.name = co_await name_for(with, all, twin.old_name);
    twin.unique = found.boolean(row, "is_unique");
    twin.constraint = found.text(row, "contype") == "u" ? "UNIQUE" : "";
    twin.deferrable = found.text(row, "deferrable");
    twin.partitioned = with.source.kind == 'p' ? now.definition : "";
    twin.create_sql = fmt::format("CREATE {}INDEX CONCURRENTLY {} ON {} {}", twin.unique ? "UNIQUE " : "",
                                  quote_identifier(twin.name), with.source.name.sql(), now.definition);
    if (!now.renamed) {
        twin.old_name.clear();
    }
    co_return twin;
}

std::string why_not_made(const workshop& with, const moved& made, bool fits, const pg::result& now, int row) {
    const bool overlaps = now.boolean(row, "is_unique") && made.definition.find(" USING gist ") != std::string::npos;
    if (now.text(row, "contype") == "x" || overlaps) {
        return "exclusion constraints, and those WITHOUT OVERLAPS, cannot be built CONCURRENTLY; make one like it for "
               "the new columns, and drop this one, before pgeist contract";
    }
    if (!fits) {
        return "it does not fit their type";
    }
    if (now.text(row, "deferrable").empty()) {
        return "";
    }
    if (!made.one_to_one) {
        return "it is of a DEFERRABLE constraint, and their values may be the same where those of the old ones differ";
    }
    // Made while they are empty, if one of them is in its key: see deferrable.cpp.
    const bool collides = !made.in_key || made.definition.find(" NULLS NOT DISTINCT") != std::string::npos;
    if (collides || with.source.kind == 'p') {
        return "a DEFERRABLE constraint that is built CONCURRENTLY checks at once, and statements of the application "
               "would fail; make one like it for the new columns, and drop this one, before pgeist contract";
    }
    return "";
}

awaitable<void> plan_indexes(workshop& with, const std::vector<successor>& all, std::int64_t marked) {
    const pg::result now = co_await with.at.conn.query(indexes_sql, with.source.oid);
    const pg::result like = co_await with.at.conn.query(indexes_sql, marked);
    if (now.rows() != like.rows()) {
        refuse(fmt::format("the indexes of {} cannot be read for the new columns", with.source.name.display()));
    }
    for (int row = 0; row < like.rows(); ++row) {
        const auto made = for_new(all, like.text(row, "definition"));
        if (!made) {
            continue;
        }
        const std::string shown = display_identifier(now.text(row, "name"));
        const bool fits = co_await is_valid(with, "CREATE INDEX ON", made->definition);
        const std::string why = why_not_made(with, *made, fits, now, row);
        if (!why.empty()) {
            with.made.warnings.push_back(fmt::format("index {} is not made for the new columns: {}", shown, why));
            continue;
        }
        twin_index twin = co_await twin_of(with, all, now, row, *made);
        with.made.plan.idle = with.made.plan.idle || !twin.deferrable.empty();
        with.made.plan.indexes.push_back(std::move(twin));
    }
}

awaitable<void> plan_checks(workshop& with, const std::vector<successor>& all, std::int64_t marked) {
    const pg::result now = co_await with.at.conn.query(checks_sql, with.source.oid);
    std::set<std::string> not_valid;  // LIKE makes them valid
    for (int row = 0; row < now.rows(); ++row) {
        if (!now.boolean(row, "valid")) {
            not_valid.insert(now.text(row, "name"));
        }
    }
    const pg::result found = co_await with.at.conn.query(checks_sql, marked);
    for (int row = 0; row < found.rows(); ++row) {
        const auto made = for_new(all, found.text(row, "definition"));
        if (!made) {
            continue;
        }
        const std::string name = found.text(row, "name");
        std::string text = made->definition;
        boost::replace_all(text, " NOT VALID", "");
        const bool fits = co_await is_valid(with, "ALTER TABLE", "ADD " + text);
        if (made->same_value && fits) {
            twin_constraint twin;
            twin.of = name;
            twin.stays_not_valid = not_valid.count(name) != 0;
            twin.name = co_await name_for(with, all, name);
            twin.old_name = made->renamed ? name : "";
            twin.definition = std::move(text);
            with.made.plan.constraints.push_back(std::move(twin));
        } else {
            with.made.warnings.push_back(
                fmt::format("constraint {} is not made for the new columns, and goes with the "
                            "old ones",
                            display_identifier(name)));
        }
    }
}

awaitable<void> plan_statistics(workshop& with, const std::vector<successor>& all, std::int64_t marked) {
    const pg::result now = co_await with.at.conn.query(statistics_sql, with.source.oid);
    const pg::result like = co_await with.at.conn.query(statistics_sql, marked);
    for (int row = 0; row < like.rows() && now.rows() == like.rows(); ++row) {
        const auto made = for_new(all, like.text(row, "definition"));
        if (!made || !made->same_value || !now.boolean(row, "may")) {
            continue;
        }
        twin_statistics twin;
        twin.of = now.text(row, "name");
        twin.old_name = made->renamed ? twin.of : "";
        twin.definition = made->definition;
        twin.name.schema = now.text(row, "schema");
        twin.name.name = co_await name_for(with, all, twin.of);
        const qualified_name tried{with.at.job_schema, twin.name.name};
        const std::string create = fmt::format("CREATE STATISTICS {}{} FROM", tried.sql(), twin.definition);
        const bool fits = co_await is_valid(with, create, "");
        if (fits) {
            with.made.plan.statistics.push_back(std::move(twin));
        }
    }
}

/// Whether a foreign key can be between the two types.
bool can_refer(const std::string& type, const std::string& referenced) {
    const auto is_integer = [](const std::string& each) {
        return each == "smallint" || each == "integer" || each == "bigint";
    };
    return type == referenced || (is_integer(type) && is_integer(referenced));
}

awaitable<void> plan_foreign_keys(workshop& with, const std::vector<successor>& all) {
    const pg::result found = co_await with.at.conn.query(keys_sql, with.source.oid);
    for (int row = 0; row < found.rows(); ++row) {
        std::vector<std::string> columns = found.array(row, "columns");
        const std::vector<std::string> referenced = found.array(row, "referenced");
        bool any = false;
        // Those of a partitioned table cannot be NOT VALID before 18.
        bool fits = with.source.kind != 'p' || with.at.conn.server_major() >= 18;
        bool renamed = true;
        for (std::size_t at = 0; at < columns.size(); ++at) {
            const auto taken = std::find_if(all.begin(), all.end(),
                                            [&](const successor& each) { return each.old_name == columns[at]; });
            if (taken != all.end()) {
                any = true;
                renamed = renamed && taken->renamed;
                fits = fits && (taken->renamed || (taken->same_value && can_refer(taken->type, referenced[at])));
                columns[at] = taken->new_name;
            }
        }
        const std::string name = found.text(row, "name");
        std::string definition = found.text(row, "definition");
        const auto rest = definition.find(") REFERENCES ");
        const bool lists_columns =
            definition.find("SET NULL (") != definition.npos || definition.find("SET DEFAULT (") != definition.npos;
        if (any && fits && !lists_columns && rest != definition.npos) {
            std::vector<std::string> quoted;
            for (const std::string& column : columns) {
                quoted.push_back(quote_identifier(column));
            }
            twin_constraint twin;
            twin.of = name;
            twin.stays_not_valid = !found.boolean(row, "valid");
            twin.name = co_await name_for(with, all, name);
            twin.old_name = renamed ? name : "";
            twin.definition = fmt::format("FOREIGN KEY ({}{}", join(quoted, ", "), definition.substr(rest));
            boost::replace_all(twin.definition, " NOT VALID", "");
            with.made.plan.constraints.push_back(std::move(twin));
        } else if (any) {
            with.made.warnings.push_back(
                fmt::format("foreign key {} is not made for the new columns, and goes with the old ones",
                            display_identifier(name)));
        }
    }
}

}  // namespace

awaitable<void> plan_twins(workshop& with) {
    const std::vector<successor> all = co_await successors_of(with);
    if (all.empty()) {
        co_return;
    }
    const qualified_name marked{with.at.passage_schema, "pgeist_marked"};
    co_await with.at.conn.execute(
        fmt::format("CREATE TABLE {} (LIKE {} INCLUDING INDEXES INCLUDING CONSTRAINTS INCLUDING STATISTICS)",
                    marked.sql(), with.source.name.sql()));
    for (const successor& each : all) {
        co_await with.at.conn.execute(fmt::format("ALTER TABLE {} RENAME COLUMN {} TO {}", marked.sql(),
                                                  quote_identifier(each.old_name), quote_identifier(each.mark)));
    }
    const std::int64_t oid = co_await target::table_oid(with.at.conn, marked);
    co_await plan_indexes(with, all, oid);
    co_await plan_checks(with, all, oid);
    co_await plan_foreign_keys(with, all);
    co_await plan_statistics(with, all, oid);
    co_await with.at.conn.execute("DROP TABLE " + marked.sql());
}

}  // namespace pgeist::expand
