#include "worker_budget.hpp"

#include <algorithm>

namespace pgeist::group {

void worker_budget::add(std::int64_t job, std::int64_t bytes) {
    tables_.push_back({job, bytes});
    std::stable_sort(tables_.begin(), tables_.end(),
                     [](const table& one, const table& other) { return one.bytes > other.bytes; });
}

int worker_budget::at_work() const {
    return static_cast<int>(
        std::count_if(tables_.begin(), tables_.end(), [](const table& each) { return each.now == standing::at_work; }));
}

bool worker_budget::may_begin(std::int64_t job, int workers) const {
    for (const table& each : tables_) {
        if (each.job == job) {
            return at_work() < std::max(1, workers);
        }
        if (each.now == standing::waits) {
            return false;  // a larger one
        }
    }
    return true;
}

void worker_budget::set(std::int64_t job, standing now) {
    for (table& each : tables_) {
        if (each.job == job) {
            each.now = now;
        }
    }
}

void worker_budget::waits(std::int64_t job) { set(job, standing::waits); }

void worker_budget::begins(std::int64_t job) { set(job, standing::at_work); }

void worker_budget::ends(std::int64_t job) { set(job, standing::ready); }

int worker_budget::share(std::int64_t job, int workers) const {
    const int all = std::max(1, at_work());
    int share = std::max(1, workers / all);
    for (const table& each : tables_) {
        if (each.now == standing::at_work) {  // the largest of them
            share += each.job == job ? std::max(0, workers - share * all) : 0;
            break;
        }
    }
    return share;
}

}  // namespace pgeist::group
