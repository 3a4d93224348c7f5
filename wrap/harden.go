package wrap

import "math"

const noCompression = math.MaxInt
