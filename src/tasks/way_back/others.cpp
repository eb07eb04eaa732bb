#include "others.hpp"

#include <algorithm>
#include <charconv>
#include <set>

#include <fmt/format.h>

#include "pgeist/catalog/fingerprint.hpp"
#include "pgeist/core/error.hpp"

namespace pgeist::way_back {

namespace {

/// Parts of the table itself, as catalog::name_part() calls them. What hangs on the table from elsewhere (views,
/// functions) is led over, and so are the rights on it and comments.
constexpr std::string_view kinds_of_own[] = {"index ",
                                             "column ",
                                             "constraint ",
                                             "policy ",
                                             "trigger ",
                                             "rule ",
                                             "statistics ",
                                             "the rights on column ",
                                             "the default of column ",
                                             "the table's own properties",
                                             "a security label"};

constexpr std::string_view default_of = "the default of column number \"";

bool is_own_part(std::string_view name) {
    return std::any_of(std::begin(kinds_of_own), std::end(kinds_of_own),
                       [&](std::string_view kind) { return name.rfind(kind, 0) == 0; });
}

/// `the default of column price`, where its part has the column's number.
std::string with_column_name(std::string name, const catalog::table& of) {
    int number = 0;
    if (name.rfind(default_of, 0) == 0) {
        std::from_chars(name.data() + default_of.size(), name.data() + name.size(), number);
    }
    const catalog::column* column = number == 0 ? nullptr : of.find_column(number);
    return column == nullptr ? std::move(name) : "the default of column " + display_identifier(column->name);
}

std::string name_of_part(const std::string& part, const catalog::table& of) {
    return with_column_name(part.substr(0, part.rfind(catalog::part_separator)), of);
}

/// The name alone, as people give it with --lose; of what has none, the words for it.
std::string bare_name(const std::string& part) {
    for (const std::string_view kind : kinds_of_own) {
        if (kind.back() == ' ' && part.rfind(kind, 0) == 0) {
            return part.substr(kind.size());
        }
    }
    return part;
}

std::set<std::string> as_given(const std::vector<std::string>& lose) {
    std::set<std::string> given;
    for (const std::string& each : lose) {
        given.insert(each);
        given.insert(display_identifier(each));
    }
    return given;
}

}  // namespace

std::vector<std::string> put_on_since(const std::vector<std::string>& before, const std::vector<std::string>& now,
                                      const catalog::table& source, const std::vector<std::string>& lose) {
    const std::set<std::string> given = as_given(lose);
    std::set<std::string> found;
    for (const std::string& part : now) {
        std::string name = name_of_part(part, source);
        const bool is_new = !std::binary_search(before.begin(), before.end(), part);
        if (is_new && is_own_part(name) && given.count(bare_name(name)) == 0) {
            found.insert(std::move(name));
        }
    }
    return {found.begin(), found.end()};
}

void require_nothing_put_on(const plan::revert_plan& plan, const std::vector<std::string>& parts,
                            const catalog::table& source, const std::vector<std::string>& lose) {
    const auto found = put_on_since(plan.back.fingerprint_parts, parts, source, lose);
    if (!found.empty()) {
        throw error(exit_code::refused,
                    fmt::format("since the swap others have put on {}, or changed, what would be lost: {}",
                                source.name.display(), join(found, ", ")),
                    "undo that, or let it go with --lose NAME");
    }
}

namespace {

/// Of `parts` what belongs to the table itself and is not pgeist's.
std::vector<std::string> of_others(std::vector<std::string> parts, const catalog::table& of) {
    std::erase_if(parts, [&](const std::string& part) {
        const std::string name = name_of_part(part, of);
        return !is_own_part(name) || bare_name(name).rfind("pgeist_", 0) == 0;
    });
    return parts;
}

awaitable<void> require_waiting_name(pg::connection& session, const plan::revert_plan& plan) {
    const qualified_name& name = plan.back.write.name;
    const pg::result row = co_await session.query(
        "SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = "
        "$1::bigint::oid",
        plan.back.write.oid);
    if (row.empty()) {
        throw error(exit_code::refused, fmt::format("{}, the table that waits, was dropped", name.display()), "");
    }
    const qualified_name now{row.text(0, 0), row.text(0, 1)};
    if (now.sql() != name.sql()) {
        throw error(exit_code::refused,
                    fmt::format("{}, the table that waits, is called {} now", name.display(), now.display()),
                    "give it its name and schema again, and then try again");
    }
}

}  // namespace

awaitable<void> require_waiting_unchanged(pg::connection& session, const plan::revert_plan& plan) {
    co_await require_waiting_name(session, plan);
    if (plan.waiting_parts.empty()) {
        co_return;
    }
    auto parts = co_await catalog::fingerprint_parts(session, plan.back.write.oid);
    const std::vector<std::string> now = of_others(std::move(parts), plan.waiting);
    const std::vector<std::string> before = of_others(plan.waiting_parts, plan.waiting);
    if (now != before) {
        throw error(exit_code::refused,
                    fmt::format("others have changed {}, the table that waits: {}", plan.back.write.name.display(),
                                catalog::changed_parts(before, now)),
                    "undo that, then try again; it is to come back as it was");
    }
}

namespace {

/// Keys of other tables as those have them now, but for the columns here that they refer to.
std::vector<catalog::foreign_key> still_there(const std::vector<catalog::foreign_key>& keys,
                                              const std::vector<catalog::foreign_key>& now) {
    std::vector<catalog::foreign_key> found;
    for (const catalog::foreign_key& key : keys) {
        const auto same = std::find_if(now.begin(), now.end(), [&](const catalog::foreign_key& each) {
            // Renamed, or changed by a job of its own.
            return each.name == key.name && (each.table_oid == key.table_oid || each.table.sql() == key.table.sql());
        });
        if (same != now.end()) {
            found.push_back(key);
            found.back().table = same->table;
            found.back().table_oid = same->table_oid;
            found.back().columns = same->columns;
            found.back().delete_set_columns = same->delete_set_columns;
        }
    }
    return found;
}

// The same table, whatever it is called; where a job of its own has replaced it, the one that has its name.
constexpr const char* referenced_sql = R"(
    SELECT n.nspname, c.relname, c.oid,
           ARRAY(SELECT k FROM unnest($2::text[]) AS k
                  WHERE NOT EXISTS (SELECT FROM pg_attribute WHERE attrelid = c.oid AND attname = k AND attnum > 0)) AS missing
      FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
     WHERE (c.oid = $1::bigint::oid AND n.nspname !~ '^pgeist_[0-9]+$') OR c.oid = to_regclass($3)
     ORDER BY c.oid = $1::bigint::oid DESC LIMIT 1)";

/// @returns why the key cannot be made again; empty: it can
awaitable<std::string> lead_to_todays_table(pg::connection& session, catalog::foreign_key& key) {
    const pg::result row = co_await session.query(referenced_sql, key.referenced_oid,
                                                  pg::array_literal(key.referenced_columns), key.referenced.sql());
    std::string why;
    if (row.empty()) {
        why = fmt::format("{}, which was dropped", key.referenced.display());
        co_return why;
    }
    key.referenced = qualified_name{row.text(0, "nspname"), row.text(0, "relname")};
    key.referenced_oid = row.integer(0, "oid");
    const std::vector<std::string> missing = row.array(0, "missing");
    if (!missing.empty()) {
        why = fmt::format("column {} of {}, which was dropped or renamed", display_identifier(missing.front()),
                          key.referenced.display());
    }
    co_return why;
}

/// The other table of the group that comes back with it, if the key refers to one.
const target::build_context* comes_back_too(const target::build_context& at, const catalog::foreign_key& key) {
    for (const target::build_context* each : at.group) {
        if (each->shadow_oid == key.referenced_oid) {
            return each;
        }
    }
    return nullptr;
}

}  // namespace

awaitable<void> lead_keys_to_todays_tables(target::build_context& at, const std::vector<std::string>& lose,
                                           catalog::table& before) {
    before.referenced_by = still_there(before.referenced_by, at.source.referenced_by);
    const std::set<std::string> given = as_given(lose);
    std::vector<catalog::foreign_key> keys;
    for (catalog::foreign_key& key : before.foreign_keys) {
        std::string why;
        if (const target::build_context* other = comes_back_too(at, key)) {
            key.referenced = other->source.name;
            key.referenced_oid = other->source.oid;
        } else if (!key.self_reference()) {
            why = co_await lead_to_todays_table(at.conn, key);
        }
        if (!why.empty() && given.count(key.name) == 0) {
            throw error(exit_code::refused,
                        fmt::format("foreign key {} of the table that is to come back refers to {}",
                                    display_identifier(key.name), why),
                        fmt::format("let the foreign key go with --lose {}", display_identifier(key.name)));
        }
        if (why.empty()) {
            keys.push_back(std::move(key));
        }
    }
    before.foreign_keys = std::move(keys);
}

}  // namespace pgeist::way_back
