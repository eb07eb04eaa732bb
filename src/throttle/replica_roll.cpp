#include "pgeist/throttle/replica_lag.hpp"

namespace pgeist::throttle {

std::vector<std::string> replica_roll::missing_after(const std::vector<std::string>& connected) {
    std::map<std::string, int> now;
    for (const std::string& name : connected) {
        ++now[name];
    }
    for (const auto& [name, count] : now) {
        most_[name] = std::max(most_[name], count);
    }
    std::vector<std::string> missing;
    for (const auto& [name, count] : most_) {
        missing.insert(missing.end(), static_cast<std::size_t>(count - now[name]), name);
    }
    return missing;
}

}  // namespace pgeist::throttle
