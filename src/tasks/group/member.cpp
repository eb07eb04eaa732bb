#include "member.hpp"

#include <utility>

namespace pgeist::group {

member_at_work::member_at_work(const task::context& with, const task::kind& kind, worker_budget& budget, job::record of)
    : beside(with, budget, of, kind.reached(of)),
      reached(current),
      work(std::make_unique<member>(kind, context_like(with), record)) {
    budget.add(record.id, work->workspace().plan.table_bytes);
}

}  // namespace pgeist::group
