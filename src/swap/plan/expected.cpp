#include "pgeist/catalog/definition.hpp"
#include "pgeist/swap/plan/steps.hpp"

namespace pgeist::swap {

std::vector<std::string> expected_definition(const build_context& at, catalog::table after) {
    // The owner's own rights are taken from the shadow only while it is filled.
    if (after.owner == at.source.owner) {
        after.acl = at.source.acl;
    }
    for (auto& column : after.columns) {
        if (column.default_expression) {
            // The sequence of a serial column that is added goes where the table goes.
            column.default_expression = moved_literals(at, *column.default_expression);
        }
    }
    return catalog::definition_in_swap(std::move(after));
}

}  // namespace pgeist::swap
