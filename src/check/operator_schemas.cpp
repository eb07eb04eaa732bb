#include <set>

#include <fmt/format.h>

#include "checks.hpp"
#include "pgeist/catalog/operators.hpp"
#include "pgeist/core/identifier.hpp"

namespace pgeist::check {

namespace {

constexpr const char* operator_schemas_check = "operator_schemas";

}  // namespace

// Where the server prints an expression without an operator in it, the expression is read again with the operator's
// schema in the search_path. Whoever can make functions there could have his own taken for the right ones.
awaitable<void> check_operator_schemas(const subject& what, findings& into) {
    std::set<std::string> schemas;
    const auto add = [&](const auto& objects) {
        for (const auto& each : objects) {
            schemas.insert(each.operator_schemas.begin(), each.operator_schemas.end());
        }
    };
    add(what.source->indexes);
    add(what.source->constraints);
    add(what.source->triggers);
    add(what.source->policies);
    add(what.source->rules);
    add(what.source->extended_statistics);
    for (const auto& schema : schemas) {
        const auto strangers = co_await catalog::strangers_in(what.conn, schema, what.source->owner);
        for (const auto& stranger : strangers) {
            refuse(into, operator_schemas_check,
                   fmt::format("expressions of the table use operators of schema {}, in which {} has made functions or "
                               "operators that could be taken for those of PostgreSQL",
                               schema, stranger),
                   "move them to another schema, or give them to the schema's owner");
        }
    }
}

}  // namespace pgeist::check
