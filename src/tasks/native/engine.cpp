#include "pgeist/tasks/native/engine.hpp"
