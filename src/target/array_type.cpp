#include <fmt/format.h>

#include "pgeist/sql/statements.hpp"
#include "pgeist/target/steps.hpp"

// The server names the type of a table's arrays itself, after the table, and otherwise where that name is taken in the
// schema. The source's may have the other name, which it keeps for good; in the job's schema nothing would be in the
// way, and the shadow could not be moved to where the usual name is taken.
namespace pgeist::target {

namespace {

constexpr std::size_t most_names = 10;
constexpr const char* label = "the name of the array type";
constexpr const char* fails = "cannot rebuild {} on a copy of {}";

constexpr const char* array_type_sql = R"(
    SELECT a.typname FROM pg_class c JOIN pg_type y ON y.oid = c.reltype JOIN pg_type a ON a.oid = y.typarray
     WHERE c.oid = to_regclass($1))";

std::string type_name(const qualified_name& beside, const std::string& name) {
    return qualified_name{beside.schema, name}.sql();
}

/// What makes the relation while `taken` are names of types, and `wanted` is none. Those have array types too, which
/// give way to a type of their name.
statements made_beside(const std::vector<std::string>& taken, const std::string& wanted, const statements& create,
                       const qualified_name& made) {
    statements all;
    const auto add = [&](const char* format, const std::string& name) {
        all.push_back({label, fmt::format(fmt::runtime(format), type_name(made, name))});
    };
    for (const auto& name : taken) {
        add("CREATE TYPE {} AS ()", name);
    }
    if (!taken.empty()) {
        add("CREATE TYPE {} AS ()", wanted);
        add("DROP TYPE {}", wanted);
    }
    all.insert(all.end(), create.begin(), create.end());
    for (const auto& name : taken) {
        add("DROP TYPE {}", name);
    }
    return all;
}

awaitable<std::string> array_type_of(build_context& at, qualified_name made) {
    const auto rows = co_await at.conn.query(array_type_sql, made.sql());
    co_return rows.text(0, 0);
}

/// As where another type took the name later: the server gives its array type another one then. Empty when that does
/// not lead to `wanted`.
awaitable<statements> moved_away(build_context& at, statements create, qualified_name made, std::string wanted) {
    statements all = create;
    statements drops;
    co_await begin_trial(at);
    co_await try_statements(at, std::move(create), fails);
    std::string name = co_await array_type_of(at, made);
    while (name != wanted && drops.size() < most_names) {
        statements one;
        one.push_back({label, fmt::format("CREATE TYPE {} AS ()", type_name(made, name))});
        all.push_back(one.front());
        drops.push_back({label, "DROP TYPE " + type_name(made, name)});
        co_await try_statements(at, std::move(one), fails);
        name = co_await array_type_of(at, made);
    }
    co_await undo_trial(at);
    all.insert(all.end(), drops.begin(), drops.end());
    if (name != wanted) {
        all.clear();
    }
    co_return all;
}

/// As where the name was taken when the table was made.
awaitable<statements> kept_away(build_context& at, statements create, qualified_name made, std::string wanted) {
    std::vector<std::string> taken;
    while (taken.size() < most_names) {
        statements all = made_beside(taken, wanted, create, made);
        co_await begin_trial(at);
        co_await try_statements(at, all, fails);
        std::string name = co_await array_type_of(at, made);
        co_await undo_trial(at);
        if (name == wanted) {
            co_return all;
        }
        taken.push_back(std::move(name));
    }
    statements none;
    co_return none;
}

}  // namespace

awaitable<statements> with_array_type(build_context& at, statements create, qualified_name made, std::string wanted) {
    if (wanted == "_" + made.name) {
        co_return create;
    }
    auto all = co_await moved_away(at, create, made, wanted);
    if (all.empty()) {
        all = co_await kept_away(at, create, made, wanted);
    }
    if (all.empty()) {
        all = create;  // a name that the server gives no more; check_names() tells whether it matters
    }
    co_return all;
}

}  // namespace pgeist::target
