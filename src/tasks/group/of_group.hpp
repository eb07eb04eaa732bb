#pragma once

#include <string>
#include <utility>
#include <vector>

#include "beside.hpp"
#include "pgeist/job/record.hpp"
#include "pgeist/pg/pool.hpp"
#include "pgeist/task/kind.hpp"

namespace pgeist::group {

/// The jobs that this one leads, oldest first.
[[nodiscard]] awaitable<std::vector<job::record>> others_of(pg::pool& pool, const job::record& leader);

/// A kind of work on one table, done to several by the job that leads them: what there is to tell is told of each.
template <class Alone>
class of_group : public Alone {
public:
    using Alone::Alone;

    [[nodiscard]] awaitable<void> introduce(pg::pool& pool, const job::record& job, report::observer& to,
                                            std::string server) const override {
        co_await Alone::introduce(pool, job, to, std::move(server));
        const auto others = co_await others_of(pool, job);
        for (const job::record& each : others) {
            aside told(to, each.id, job.id);
            told.job_started(each.id, each.table.display(), this->labels().strategy);
        }
    }

    [[nodiscard]] awaitable<void> tell_effect(pg::pool& pool, const job::record& job,
                                              report::observer& to) const override {
        const auto others = co_await others_of(pool, job);
        for (const job::record& each : others) {
            aside told(to, each.id, job.id);
            co_await Alone::tell_effect(pool, each, told);
        }
        co_await Alone::tell_effect(pool, job, to);
    }
};

}  // namespace pgeist::group
