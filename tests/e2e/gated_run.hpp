#pragma once

#include <memory>
#include <string>
#include <vector>

#include "e2e/run_test.hpp"
#include "support/gate.hpp"

namespace pgeist::test {

/// A run over public.t, whose rows 1 … 1000 are copied in chunks of 100 by one worker, which stands at row 550 while
/// the gate is closed: in the copy, in replay when that row was written, and in the comparison.
class gated_run : public run_test {
protected:
    void SetUp() override {
        run_test::SetUp();
        if (IsSkipped()) {
            return;
        }
        make_table(1000);
        at_row = std::make_unique<gate>(db(), 1);
    }

    void TearDown() override {
        process.reset();
        at_row.reset();
        run_test::TearDown();
    }

    /// `pgeist run --output json` with more arguments.
    void start_run(const std::vector<std::string>& more = {}) {
        std::vector<std::string> arguments{"--alter",      "ALTER COLUMN id TYPE bigint",
                                           "--set",        "note = " + at_row->expression("id = 550", "note"),
                                           "--chunk-rows", "100",
                                           "--workers",    "1"};
        arguments.insert(arguments.end(), more.begin(), more.end());
        process.reset(new pgeist_process(start(std::move(arguments))));
    }

    std::unique_ptr<gate> at_row;
    std::unique_ptr<pgeist_process> process;
};

}  // namespace pgeist::test
