#pragma once

#include <map>
#include <string>
#include <vector>

#include "pgeist/build/workspace.hpp"
#include "pgeist/watch/build_figures.hpp"

namespace pgeist::build {

/// How far several indexes are that are built side by side, each weighed by its cost, as one figure.
class figures {
public:
    figures(workspace& work, const std::vector<const plan::index*>& all);
    ~figures();
    figures(const figures&) = delete;
    figures& operator=(const figures&) = delete;

    /// What the server says of the one that is built.
    void seen(const plan::index& index, const watch::build_row& row);
    void unknown(const plan::index& index);
    void done(const plan::index& index);

private:
    void show(std::string phase);

    workspace* work_;
    double all_ = 0;   ///< cost
    double done_ = 0;  ///< of those that are done
    std::map<const plan::index*, double> at_work_;
    watch::pace pace_;
};

/// Runs a statement that builds, and tells what the server says of it.
[[nodiscard]] awaitable<void> run_told(workspace& work, pg::connection& session, std::string sql, figures& told,
                                       const plan::index& index);

}  // namespace pgeist::build
