#include <filesystem>

#include "pgeist/throttle/signals.hpp"

namespace pgeist::throttle {

namespace {

class pause_file_signal : public signal {
public:
    void configure(const run::settings& chosen) override { path_ = chosen.pause_file; }

    [[nodiscard]] std::optional<std::string> reason_to_wait(clock::time_point) const override {
        std::error_code problem;
        if (!path_ || (!std::filesystem::exists(*path_, problem) && !problem)) {
            return std::nullopt;
        }
        // A path that cannot be looked at may hide the file: whoever made it wants us to stop.
        return problem ? "pause file " + *path_ + ": " + problem.message() : "pause file " + *path_ + " exists";
    }

private:
    std::optional<std::string> path_;
};

}  // namespace

std::unique_ptr<signal> make_pause_file_signal() { return std::make_unique<pause_file_signal>(); }

}  // namespace pgeist::throttle
