#include "pgeist/target/group.hpp"

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/core/error.hpp"
#include "pgeist/sql/foreign_key.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

void introduce(const std::vector<build_context*>& all) {
    for (build_context* each : all) {
        for (build_context* other : all) {
            if (other == each) {
                continue;
            }
            each->group.push_back(other);
            stand_in known;
            known.real_oid = other->source.oid;
            known.real = other->source.name;
            known.oid = other->shadow_oid;
            known.name = other->shadow;
            known.in_group = true;
            each->stand_ins.push_back(std::move(known));
        }
    }
}

namespace {

constexpr const char* marked_sql = R"(
    SELECT c.conname, c.convalidated FROM pg_constraint c
      JOIN pg_description d ON d.classoid = 'pg_constraint'::regclass AND d.objoid = c.oid
     WHERE c.conrelid = $1::bigint::oid AND c.contype = 'c' AND d.description = $2)";

std::string describe(const catalog::foreign_key& key) {
    return fmt::format("foreign key {} of {}", display_identifier(key.name), key.table.display());
}

std::string drop_constraint(const qualified_name& table, const std::string& name) {
    return fmt::format("ALTER TABLE {} DROP CONSTRAINT {}", table.sql(), quote_identifier(name));
}

std::string place_holder_sql(const tied_key& tied) {
    std::vector<std::string> all;
    for (const std::string& column : tied.key.columns) {
        all.push_back(fmt::format("(({} IS NULL) IS NOT NULL)", quote_identifier(column)));
    }
    const std::string table = tied.from->shadow.sql();
    const std::string name = quote_identifier(tied.key.name);
    return fmt::format("ALTER TABLE {0} ADD CONSTRAINT {1} CHECK ({2}){3}; COMMENT ON CONSTRAINT {1} ON {0} IS {4}",
                       table, name, join(all, " AND "), tied.key.validated ? "" : " NOT VALID",
                       quote_literal(tied.mark));
}

/// The column of the source as its shadow has it now. @throws error (refused) when it is dropped
std::string new_name(const tied_key& tied, const build_context& at, const catalog::table& shape,
                     const std::string& column) {
    const auto* source = at.source.find_column(column);
    const auto* kept = source != nullptr ? kept_column(at, shape, source->attnum) : nullptr;
    if (kept == nullptr) {
        throw error(exit_code::refused,
                    fmt::format("column {} of {} is dropped, and {} refers to it", display_identifier(column),
                                at.source.name.display(), describe(tied.key)),
                    "drop the foreign key in the same change");
    }
    return kept->name;
}

void rename_all(const tied_key& tied, const build_context& at, const catalog::table& shape,
                std::vector<std::string>& columns) {
    for (std::string& each : columns) {
        each = new_name(tied, at, shape, each);
    }
}

/// `id uuid`, for a message that is a format.
std::string types_of(const catalog::table& shape, const std::vector<std::string>& columns) {
    std::vector<std::string> all;
    for (const std::string& each : columns) {
        const auto* column = shape.find_column(each);
        all.push_back(display_identifier(each) + " " + (column != nullptr ? column->type : "?"));
    }
    std::string text = join(all, ", ");
    for (auto at = text.find_first_of("{}"); at != std::string::npos; at = text.find_first_of("{}", at + 2)) {
        text.insert(at, 1, text[at]);
    }
    return text;
}

/// What the clauses have left of its place holder, which goes. @returns false when the key was dropped
awaitable<bool> read_place_holder(tied_key& tied) {
    const auto row = co_await tied.from->conn.query(marked_sql, tied.from->shadow_oid, tied.mark);
    if (row.empty()) {
        co_return false;
    }
    tied.key.name = row.text(0, 0);
    tied.key.validated = row.boolean(0, 1);
    co_await tied.from->conn.execute(drop_constraint(tied.from->shadow, tied.key.name));
    co_return true;
}

}  // namespace

awaitable<std::vector<tied_key>> loosen_keys(const std::vector<build_context*>& all) {
    std::vector<tied_key> keys;
    for (build_context* from : all) {
        for (const catalog::foreign_key& key : from->source.foreign_keys) {
            const build_context* to = in_group(*from, key.referenced_oid);
            if (to == nullptr) {
                continue;
            }
            tied_key tied;
            tied.key = key;
            tied.from = from;
            tied.to = const_cast<build_context*>(to);
            tied.mark = fmt::format("pgeist: stands for the foreign key with OID {}", key.oid);
            statements swap_it{{describe(key), drop_constraint(from->shadow, key.name)},
                               {describe(key), place_holder_sql(tied)}};
            co_await try_statements(*from, std::move(swap_it), "{} cannot be loosened on a copy of {}");
            keys.push_back(std::move(tied));
        }
    }
    co_return keys;
}

awaitable<void> tie_keys(std::vector<tied_key> keys) {
    std::vector<tied_key> kept;
    for (tied_key& each : keys) {  // first all place holders, which are no part of any definition
        const bool there = co_await read_place_holder(each);
        if (there) {
            kept.push_back(std::move(each));
        }
    }
    for (tied_key& each : kept) {
        const auto from = co_await catalog::read_shape(each.from->conn, each.from->shadow_oid);
        const auto to = co_await catalog::read_shape(each.to->conn, each.to->shadow_oid);
        rename_all(each, *each.from, from, each.key.columns);
        rename_all(each, *each.from, from, each.key.delete_set_columns);
        rename_all(each, *each.to, to, each.key.referenced_columns);
        auto all = add_foreign_key(each.key, each.from->shadow, each.to->shadow, each.key.validated);
        for (pg::statement& statement : all) {
            statement.label = describe(each.key);
        }
        const std::string types =
            types_of(from, each.key.columns) + " and " + types_of(to, each.key.referenced_columns);
        co_await try_statements(*each.from, std::move(all), "{} cannot be kept between the new tables, " + types);
    }
}

awaitable<void> untie_keys(build_context& at, const catalog::table& after) {
    statements all;
    for (const auto& key : after.foreign_keys) {
        if (in_group(at, key.referenced_oid) != nullptr) {
            all.push_back({describe(key), drop_constraint(at.shadow, key.name)});
        }
    }
    co_await run_statements(at, std::move(all));
}

}  // namespace pgeist::target
