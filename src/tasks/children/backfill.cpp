#include <fmt/format.h>

#include "pgeist/core/error.hpp"
#include "pgeist/fill/statement.hpp"
#include "pgeist/tasks/backfill/kind.hpp"
#include "pgeist/tasks/backfill/preparation.hpp"
#include "pgeist/tasks/children/children.hpp"

namespace pgeist::children {

namespace {

class filling final : public maker {
public:
    filling() : maker(backfill::kind()) {}

    [[nodiscard]] awaitable<made_job> make(pg::connection& session, job::advisory_locks& hold,
                                           const task::context& with, const steps::step& of) const override {
        std::optional<fill::request> asked = fill::request_of(of.statement);
        if (!asked) {
            throw error(exit_code::refused, "this cannot be done in chunks: " + of.statement, "");
        }
        if (!of.table.empty()) {
            asked->table = parse_qualified_name(of.table);
        }
        const backfill::preparation prepared = co_await backfill::prepare(session, &hold, *asked, with.chosen);
        made_job made;
        made.job = prepared.job;
        made.warnings = prepared.plan.outlook.warnings;
        co_return made;
    }
};

}  // namespace

const maker& backfills() {
    static const filling only;
    return only;
}

}  // namespace pgeist::children
