SELECT @columns@@concerns_others@ FROM tasks WHERE id = ?2 AND fence = coalesce(?7, fence)
