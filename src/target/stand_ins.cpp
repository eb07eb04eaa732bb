#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "pgeist/catalog/reader.hpp"
#include "pgeist/sql/foreign_key.hpp"
#include "pgeist/sql/index.hpp"
#include "pgeist/target/steps.hpp"

namespace pgeist::target {

namespace {

/// Named as the real table where possible: PostgreSQL's messages name it.
qualified_name choose_name(const build_context& at, const catalog::table& real) {
    // The source's own name is kept free for expressions (see resolve_expression).
    bool taken = real.name.name == at.source.name.name;
    for (const auto& each : at.stand_ins) {
        taken = taken || each.name.name == real.name.name;
    }
    return {at.passage_schema, taken ? fmt::format("pgeist_{}", real.oid) : real.name.name};
}

/// Whether a foreign key can refer to the columns of the index.
bool is_simple_key(const catalog::index& each) {
    const bool simple = std::all_of(each.columns.begin(), each.columns.end(),
                                    [](const catalog::index_column& column) { return column.attnum > 0; });
    return (each.unique || each.primary) && !each.predicate && each.valid && simple;
}

/// The columns that foreign keys can have to do with. Others may be of types that the role may not use.
std::set<std::string> columns_of_keys(const build_context& at, const catalog::table& real) {
    std::set<std::string> names;
    for (const auto& index : real.indexes) {
        for (const auto& column : index.columns) {
            const auto* found = is_simple_key(index) ? real.find_column(column.attnum) : nullptr;
            if (found != nullptr) {
                names.insert(found->name);
            }
        }
    }
    for (const auto* keys : {&at.source.foreign_keys, &at.source.inherited_foreign_keys}) {
        for (const auto& key : *keys) {
            if (key.referenced_oid == real.oid) {
                names.insert(key.referenced_columns.begin(), key.referenced_columns.end());
            }
        }
    }
    for (const auto& key : at.source.referenced_by) {
        if (key.table_oid == real.oid) {
            names.insert(key.columns.begin(), key.columns.end());
        }
    }
    return names;
}

/// Columns with their types and the unique indexes that a foreign key can refer to.
statements stand_in_statements(const build_context& at, const catalog::table& real, const qualified_name& name) {
    const auto wanted = columns_of_keys(at, real);
    std::vector<std::string> columns;
    for (const auto& each : real.columns) {
        if (wanted.count(each.name) != 0) {
            columns.push_back(fmt::format("{} {}{}", quote_identifier(each.name), each.type,
                                          each.collation.empty() ? "" : " COLLATE " + each.collation));
        }
    }
    const std::string label = "the foreign key's other table " + real.name.display();
    statements all{{label, fmt::format("CREATE {}TABLE {} ({})", real.persistence == 'u' ? "UNLOGGED " : "", name.sql(),
                                       join(columns, ", "))}};
    for (const auto& each : real.indexes) {
        if (!is_simple_key(each)) {
            continue;
        }
        plan::index made = rebuild_index(real, each, name);
        if (!made.create_sql.empty()) {
            all.push_back({label, made.create_sql});
        }
        if (!made.after.empty()) {
            all.push_back(made.after.front());  // the constraint; comments and marks do not matter here
        }
    }
    return all;
}

qualified_name name_for(const build_context& at, std::int64_t real_oid) {
    if (real_oid == at.source.oid) {
        return at.shadow;
    }
    for (const auto& each : at.stand_ins) {
        if (each.real_oid == real_oid) {
            return each.name;
        }
    }
    return {};
}

}  // namespace

awaitable<stand_in> stand_in_for(build_context& at, std::int64_t real_oid) {
    for (const auto& each : at.stand_ins) {
        if (each.real_oid == real_oid) {
            co_return each;
        }
    }
    const auto real = co_await catalog::read_shape(at.conn, real_oid);
    stand_in made;
    made.real_oid = real_oid;
    made.real = real.name;
    made.name = choose_name(at, real);
    statements all = stand_in_statements(at, real, made.name);
    co_await run_statements(at, std::move(all));
    made.oid = co_await table_oid(at.conn, made.name);
    at.stand_ins.push_back(made);
    co_return made;
}

awaitable<void> add_foreign_keys(build_context& at) {
    statements all;
    const auto add = [&](statements more) { all.insert(all.end(), more.begin(), more.end()); };
    for (const auto& key : at.source.foreign_keys) {
        if (!key.self_reference()) {
            co_await stand_in_for(at, key.referenced_oid);
        }
        add(add_foreign_key(key, at.shadow, name_for(at, key.referenced_oid), key.validated));
    }
    for (const auto& key : at.source.referenced_by) {
        if (in_group(at, key.table_oid) != nullptr) {
            continue;  // that one's steps add it
        }
        co_await stand_in_for(at, key.table_oid);
        add(add_foreign_key(key, name_for(at, key.table_oid), at.shadow, key.validated));
    }
    co_await run_statements(at, std::move(all));
}

awaitable<catalog::table> read_shadow(build_context& at) {
    catalog::table found = co_await catalog::read_table(at.conn, at.shadow_oid);
    const auto real_of = [&](std::int64_t& oid, qualified_name& name) {
        if (oid == at.shadow_oid) {
            name = at.source.name;
            return;
        }
        for (const auto& each : at.stand_ins) {
            if (each.oid == oid) {
                oid = each.real_oid;
                name = each.real;
                return;
            }
        }
    };
    for (std::size_t place = 0; place < found.inherits.size(); ++place) {
        for (const auto& each : at.parents) {
            if (each.oid == found.inherits[place].oid) {
                found.inherits[place].oid = each.real_oid;
                found.inherits[place].name = each.real;
            }
        }
    }
    for (auto* keys : {&found.foreign_keys, &found.referenced_by, &found.inherited_foreign_keys}) {
        for (auto& key : *keys) {
            real_of(key.table_oid, key.table);
            real_of(key.referenced_oid, key.referenced);
        }
    }
    co_return found;
}

}  // namespace pgeist::target
