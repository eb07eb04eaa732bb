#include <algorithm>

#include <boost/algorithm/string/replace.hpp>
#include <fmt/format.h>

#include "pgeist/concurrently/concurrently.hpp"
#include "pgeist/core/error.hpp"
#include "planning.hpp"

namespace pgeist::expand {

namespace {

/// An old column, and the one that takes its place.
struct successor {
    std::string old_name;
    std::string new_name;
    bool renamed = false;  ///< the same type
    std::string mark;      ///< stands for it in definitions that are read back
};

// In the order in which they were made, which LIKE keeps. What comes after the table's name.
constexpr const char* indexes_sql = R"(
    SELECT x.relname AS name, i.indisunique AS is_unique, coalesce(k.contype::text, '') AS contype,
           substr(pg_get_indexdef(x.oid), strpos(pg_get_indexdef(x.oid), ' USING ') + 1) AS definition
      FROM pg_index i JOIN pg_class x ON x.oid = i.indexrelid
      LEFT JOIN pg_constraint k ON k.conindid = x.oid AND k.conrelid = i.indrelid AND k.contype IN ('p', 'u', 'x')
     WHERE i.indrelid = $1::bigint::oid ORDER BY x.oid)";

constexpr const char* checks_sql = R"(
    SELECT conname AS name, pg_get_constraintdef(oid) AS definition FROM pg_constraint
     WHERE conrelid = $1::bigint::oid AND contype = 'c' ORDER BY conname)";

constexpr const char* keys_sql = R"(
    SELECT conname AS name, pg_get_constraintdef(k.oid) AS definition,
           (SELECT array_agg(a.attname ORDER BY n.place) FROM unnest(k.conkey) WITH ORDINALITY AS n (attnum, place)
              JOIN pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = n.attnum) AS columns
      FROM pg_constraint k WHERE conrelid = $1::bigint::oid AND contype = 'f' AND conparentid = 0 ORDER BY conname)";

std::vector<successor> successors_of(const workshop& with) {
    std::vector<successor> all;
    const auto add = [&](const std::string& old_name, const std::string& new_name, bool renamed) {
        all.push_back({old_name, new_name, renamed, fmt::format("pgeist:successor:{}", all.size())});
    };
    for (const auto& [old_name, new_name] : with.renamed) {
        add(old_name, new_name, true);
    }
    for (const group& each : with.made.plan.groups) {
        const bool known = !each.news.empty() && std::any_of(all.begin(), all.end(), [&](const successor& one) {
            return one.new_name == each.news.front().name;
        });
        if (!known && each.olds.size() == 1 && each.news.size() == 1 && !each.downs.empty()) {
            add(each.olds.front().name, each.news.front().name, false);
        }
    }
    return all;
}

/// The definition with the new columns; nothing when it has none of the old ones.
std::optional<std::string> for_new(const std::vector<successor>& all, std::string definition, bool& only_renamed) {
    bool any = false;
    for (const successor& each : all) {
        const std::string mark = quote_identifier(each.mark);
        if (definition.find(mark) != std::string::npos) {
            any = true;
            only_renamed = only_renamed && each.renamed;
            boost::replace_all(definition, mark, quote_identifier(each.new_name));
        }
    }
    return any ? std::optional<std::string>(definition) : std::nullopt;
}

/// `users_full_name_idx` for `users_name_idx`: says what it is of, and is none that is there.
std::string name_for(const std::vector<successor>& all, const std::string& old_name) {
    constexpr std::size_t longest = 63;
    std::string name = old_name;
    for (const successor& each : all) {
        const auto found = name.find(each.old_name);
        if (found != std::string::npos) {
            name.replace(found, each.old_name.size(), each.new_name);
        }
    }
    if (name == old_name) {
        name += "_" + all.front().new_name;
    }
    if (name.size() > longest) {
        name =
            name.substr(0, longest - 9) + fmt::format("_{:08x}", static_cast<unsigned>(std::hash<std::string>()(name)));
    }
    return name;
}

/// Whether the index can be made over the stand-in's columns.
awaitable<bool> is_valid(workshop& with, std::string definition) {
    const qualified_name table{with.at.job_schema, with.source.name.name};
    bool valid = true;
    co_await target::begin_trial(with.at);
    try {
        co_await with.at.conn.execute(fmt::format("CREATE INDEX ON {} {}", table.sql(), definition));
    } catch (const pg::sql_error& problem) {
        if (problem.poisons_connection()) {
            throw;
        }
        valid = false;
    }
    co_await target::undo_trial(with.at);
    co_return valid;
}

twin_index twin_of(const workshop& with, const std::vector<successor>& all, const pg::result& found, int row,
                   const std::string& definition, bool renamed) {
    twin_index twin;
    twin.old_name = found.text(row, "name");
    twin.name = name_for(all, twin.old_name);
    twin.unique = found.boolean(row, "is_unique");
    twin.constraint = renamed && found.text(row, "contype") == "u" ? "UNIQUE" : "";
    twin.partitioned = with.source.kind == 'p' ? definition : "";
    twin.create_sql = fmt::format("CREATE {}INDEX CONCURRENTLY {} ON {} {}", twin.unique ? "UNIQUE " : "",
                                  quote_identifier(twin.name), with.source.name.sql(), definition);
    if (!renamed) {
        twin.old_name.clear();
    }
    return twin;
}

awaitable<void> plan_indexes(workshop& with, const std::vector<successor>& all, std::int64_t marked) {
    const pg::result now = co_await with.at.conn.query(indexes_sql, with.source.oid);
    const pg::result like = co_await with.at.conn.query(indexes_sql, marked);
    if (now.rows() != like.rows()) {
        refuse(fmt::format("the indexes of {} cannot be read for the new columns", with.source.name.display()));
    }
    for (int row = 0; row < like.rows(); ++row) {
        bool renamed = true;
        const auto definition = for_new(all, like.text(row, "definition"), renamed);
        if (!definition) {
            continue;
        }
        const std::string shown = display_identifier(now.text(row, "name"));
        const bool fits = co_await is_valid(with, *definition);
        if (now.text(row, "contype") == "x" || !fits) {
            with.made.warnings.push_back(fmt::format(
                "index {} is not made for the new columns: {}", shown,
                fits ? "exclusion constraints cannot be built CONCURRENTLY" : "it does not fit their type"));
            continue;
        }
        twin_index twin = twin_of(with, all, now, row, *definition, renamed);
        concurrently::index_request wanted;
        wanted.table_oid = with.source.oid;
        wanted.name = {with.source.name.schema, twin.name};
        co_await concurrently::require_free_name(with.at.conn, 0, wanted);
        with.made.plan.indexes.push_back(std::move(twin));
    }
}

awaitable<void> plan_checks(workshop& with, const std::vector<successor>& all, std::int64_t marked) {
    const pg::result found = co_await with.at.conn.query(checks_sql, marked);
    for (int row = 0; row < found.rows(); ++row) {
        bool renamed = true;
        const auto definition = for_new(all, found.text(row, "definition"), renamed);
        const std::string name = found.text(row, "name");
        if (definition && renamed) {
            std::string text = *definition;
            boost::replace_all(text, " NOT VALID", "");
            with.made.plan.constraints.push_back({name, name_for(all, name), text});
        } else if (definition) {
            with.made.warnings.push_back(
                fmt::format("constraint {} is not made for the new columns", display_identifier(name)));
        }
    }
}

awaitable<void> plan_foreign_keys(workshop& with, const std::vector<successor>& all) {
    const pg::result found = co_await with.at.conn.query(keys_sql, with.source.oid);
    for (int row = 0; row < found.rows(); ++row) {
        std::vector<std::string> columns = found.array(row, "columns");
        bool any = false;
        bool renamed = true;
        for (std::string& column : columns) {
            for (const successor& each : all) {
                if (column == each.old_name) {
                    any = true;
                    renamed = renamed && each.renamed;
                    column = each.new_name;
                    break;
                }
            }
        }
        const std::string name = found.text(row, "name");
        std::string definition = found.text(row, "definition");
        const auto rest = definition.find(") REFERENCES ");
        const bool lists_columns =
            definition.find("SET NULL (") != definition.npos || definition.find("SET DEFAULT (") != definition.npos;
        if (any && renamed && !lists_columns && rest != definition.npos) {
            std::vector<std::string> quoted;
            for (const std::string& column : columns) {
                quoted.push_back(quote_identifier(column));
            }
            definition = fmt::format("FOREIGN KEY ({}{}", join(quoted, ", "), definition.substr(rest));
            boost::replace_all(definition, " NOT VALID", "");
            with.made.plan.constraints.push_back({name, name_for(all, name), definition});
        } else if (any) {
            with.made.warnings.push_back(
                fmt::format("foreign key {} is not made for the new columns", display_identifier(name)));
        }
    }
}

}  // namespace

awaitable<void> plan_twins(workshop& with) {
    const std::vector<successor> all = successors_of(with);
    if (all.empty()) {
        co_return;
    }
    const qualified_name marked{with.at.passage_schema, "pgeist_marked"};
    co_await with.at.conn.execute(fmt::format("CREATE TABLE {} (LIKE {} INCLUDING INDEXES INCLUDING CONSTRAINTS)",
                                              marked.sql(), with.source.name.sql()));
    for (const successor& each : all) {
        co_await with.at.conn.execute(fmt::format("ALTER TABLE {} RENAME COLUMN {} TO {}", marked.sql(),
                                                  quote_identifier(each.old_name), quote_identifier(each.mark)));
    }
    const std::int64_t oid = co_await target::table_oid(with.at.conn, marked);
    co_await plan_indexes(with, all, oid);
    co_await plan_checks(with, all, oid);
    if (with.source.kind != 'p') {
        co_await plan_foreign_keys(with, all);
    }
    co_await with.at.conn.execute("DROP TABLE " + marked.sql());
}

}  // namespace pgeist::expand
