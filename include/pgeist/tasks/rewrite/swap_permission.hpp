#pragma once

#include "pgeist/swap/gate.hpp"
#include "pgeist/task/controls.hpp"

namespace pgeist::rewrite {

/// What the swap asks, and tells, whoever steers the job.
class swap_permission : public swap::gate {
public:
    explicit swap_permission(task::controls& steering) : steering_(&steering) {}

    [[nodiscard]] bool holds_swap() override {
        const bool waits = steering_->postponed().has_value();  // the reason was told before the first attempt
        steering_->waits_for_permission(waits);
        return waits || steering_->comparison_asked();
    }
    void swap_is(swap::state state) override {
        switch (state) {
            case swap::state::none:
                steering_->effect_is(task::effect::to_come);
                break;
            case swap::state::under_way:
                steering_->effect_is(task::effect::under_way);
                break;
            case swap::state::committed:
                steering_->effect_is(task::effect::done);
                break;
        }
    }

private:
    task::controls* steering_;
};

}  // namespace pgeist::rewrite
